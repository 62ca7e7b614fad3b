from pathlib import Path

import pytest
from PIL import Image

from leanet.data.table import ImageTable
from leanet.errors import LeanetError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with a.png to f.png of different pixels."""
    for level, name in enumerate("abcdef"):
        Image.new("RGB", (4, 4), (level, 0, 0)).save(tmp_path / f"{name}.png")
    return tmp_path


def table(root: Path, *lines: str, **options: str) -> ImageTable:
    (root / "labels.csv").write_text("\n".join(lines))
    return ImageTable("set", str(root / "labels.csv"), 32, **options)


def test_labels_groups_kinds_folds_and_masks_are_read(images: Path) -> None:
    found = table(
        images,
        "file;label;group;kind;fold;mask",
        "a.png;normal;p1;;1;",
        "./b.png;Normal;p2;;2;",
        "c.png;anomalous;p1;crack;1;f.png",
        "d.png;1;p2;cut;2;",
    )
    index = found.index()
    of_name = {name: place for place, name in enumerate(index.names)}
    assert {name: int(index.labels[place]) for name, place in of_name.items()} == dict(
        zip(["a.png", "b.png", "c.png", "d.png"], [0, 0, 1, 1], strict=True)
    )
    by_name = [of_name[f"{name}.png"] for name in "abcd"]
    assert [index.groups[place] for place in by_name] == ["p1", "p2", "p1", "p2"]
    assert [index.kinds[place] for place in by_name] == ["", "", "crack", "cut"]
    assert [index.folds[place] for place in by_name] == [1, 2, 1, 2]
    assert index.masks == {"c.png": images / "f.png"}
    loaded = found.load(images / "cache")
    assert loaded.images.shape == (4, 3, 32, 32)
    assert [loaded.images[place, 0, 0, 0] for place in by_name] == [0, 1, 2, 3]


def test_own_words_and_another_folder(images: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "labels.csv").write_text("file,label\na.png,gesund\nb.png,krank\n")
    words = {"negative": "gesund", "positive": "Krank", "root": str(images)}
    index = ImageTable("set", str(tmp_path / "elsewhere" / "labels.csv"), 32, **words).index()
    assert dict(zip(index.names, index.labels.tolist(), strict=True)) == {"a.png": 0, "b.png": 1}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["file,label", "a.png,0", "b.png,yes"],
            r"line 3: 'yes': a label that is neither normal \(0, normal, .*\) nor",
        ),
        (["file,label", "a.png,0", "b.png,1", "a.png,0"], r"line 4: 'a\.png' is there twice, first in line 2$"),
        (["file,label", "x.png,0", "b.png,1", "y.png,0"], r"line 2: 'x\.png'; .*line 4: 'y\.png': no such file in "),
        (["file,label", ",0", "b.png,1"], r"line 2: no file$"),
        (["file,label", "a.png,0", "b.png,0"], r"no anomalous image \(1, anomalous, .* in 2 rows$"),
        (["file,label", "labels.csv,0", "b.png,1"], r"line 2: 'labels\.csv': \.csv is not read: save it as "),
        (["file,label,fold", "a.png,0,1", "b.png,1,"], r"line 3: '': fold must be a whole number from 1, in all rows"),
        (["file,label,fold", "a.png,0,1", "b.png,1,2"], r"fold 1 has no positive image"),
        (["file,label,mask", "a.png,0,", "b.png,1,m.png"], r"line 3: no such mask: .*m\.png$"),
    ],
)
def test_wrong_rows_are_named(images: Path, lines: list[str], message: str) -> None:
    with pytest.raises(LeanetError, match=message) as caught:
        table(images, *lines).index()
    assert "\n" not in str(caught.value)
