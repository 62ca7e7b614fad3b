"""The dataset's folder: names that are safe and unique, and differences that are told."""

import csv
import hashlib
from pathlib import Path

import pytest

from leanet.data.folder import ImageFolder
from leanet.data.images import NEGATIVE, POSITIVE
from leanet.errors import LeanetError
from leanet.published.archives import WantedFile
from leanet.published.manifest import check_dataset, write_dataset

FACTS = {"dataset": "set", "draw_seed": 0}
SOURCES = [
    "x/cut/000.png",
    "x/hole/000.png",
    "x/CUT/000.PNG",
    'x/cut/a b, "c"ü\n.png',
    "x/cut/.hidden.png",
    "x/cut/" + "long" * 100 + ".jpeg",
    "000.png",
    "CON.png",
    "-rf.png",
    "ü.png",
    "one/cut/7.png",
    "two/cut/7.png",
]


def found(home: Path, source: str, content: str, label: int = POSITIVE) -> WantedFile:
    data = content.encode()
    path = home / hashlib.sha256(data).hexdigest()
    path.write_bytes(data)
    return WantedFile(label, source, path, path.name, len(data))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A dataset with the images of SOURCES, two of them of one content, and one negative."""
    spool, staging = tmp_path / "spool", tmp_path / "staging"
    spool.mkdir()
    staging.mkdir()
    positives = [found(spool, source, str(min(number, 7))) for number, source in enumerate(SOURCES)]
    drawn = {NEGATIVE: (found(spool, "good/000.png", "n", NEGATIVE),), POSITIVE: tuple(positives)}
    write_dataset(tmp_path / "set", staging, drawn, FACTS)
    assert not staging.exists()
    return tmp_path / "set"


def test_the_manifest_lists_every_file(made: Path) -> None:
    with (made / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["class", "file", "source", "sha256", "bytes"]
    named = {name.replace("-rf", "./-rf") for name in SOURCES}  # no formula for a spreadsheet
    assert {row["source"] for row in rows} == {*named, "good/000.png"}
    for row in rows:
        data = (made / row["file"]).read_bytes()
        assert (row["sha256"], int(row["bytes"])) == (hashlib.sha256(data).hexdigest(), len(data))
        assert row["file"].startswith(row["class"] + "/")


def test_names_are_safe_and_unique_whatever_the_case(made: Path) -> None:
    names = [path.name for path in (made / "Positive").iterdir()]
    assert len(names) == len({name.lower() for name in names}) == len(SOURCES)
    for name in names:
        assert name.isascii() and name.isprintable() and len(name) < 120
        assert not set(name) & set('/\\:*?"<>| ') and name[0] not in ".-"
        assert name.endswith((".png", ".jpeg"))


def test_what_is_written_is_what_training_sees(made: Path) -> None:
    index = ImageFolder("set", str(made), 32).index()
    assert (index.labels.tolist().count(0), index.labels.tolist().count(1)) == (1, len(SOURCES))


def test_an_unchanged_folder_passes(made: Path) -> None:
    (made / "Positive/.DS_Store").write_bytes(b"left by a file manager, and not read by training")
    assert check_dataset(made, FACTS) == {NEGATIVE: 1, POSITIVE: len(SOURCES)}


def test_differences_are_told(made: Path) -> None:
    files = sorted((made / "Positive").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"other")
    (made / "Negative/new.png").write_bytes(b"new")
    with pytest.raises(LeanetError) as caught:
        check_dataset(made, FACTS)
    text = str(caught.value)
    assert text.startswith(f"{made}: 3 files differ from MANIFEST.csv: ")
    for part in (f"missing Positive/{files[0].name}", "added Negative/new.png", f"changed Positive/{files[1].name}"):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize("facts", [{"dataset": "set", "draw_seed": 1}, {"dataset": "other", "draw_seed": 0}])
def test_another_draw_is_told(made: Path, facts: dict[str, object]) -> None:
    with pytest.raises(LeanetError, match=r"made with .*; move that folder away"):
        check_dataset(made, facts)


def test_a_folder_of_others_is_told(tmp_path: Path) -> None:
    (tmp_path / "set/Negative").mkdir(parents=True)
    with pytest.raises(LeanetError, match=r"set: there is such a folder, which leanet.prepare did not make"):
        check_dataset(tmp_path / "set", FACTS)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_a_spoiled_manifest_is_told(made: Path, text: str) -> None:
    (made / "MANIFEST.csv").write_text(text)
    with pytest.raises(LeanetError, match=r"MANIFEST\.csv"):
        check_dataset(made, FACTS)


def test_a_source_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    image = found(tmp_path, "a.png", "one")
    image.path.write_bytes(b"two")
    with pytest.raises(LeanetError, match="changed while it was read"):
        write_dataset(tmp_path / "set", tmp_path / "staging", {POSITIVE: (image,)}, FACTS)
    assert not (tmp_path / "set").exists()
