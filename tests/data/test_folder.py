import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.data.folder import ImageFolder
from leanet.data.images import DECODER
from leanet.errors import LeanetError


def picture(root: Path, name: str, level: int = 0) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path)


def pictures(root: Path, *names: str) -> Path:
    """Different pictures at `names` below `root`."""
    for level, name in enumerate(names):
        picture(root, name, level)
    return root


def folder(root: Path | str, **options: str) -> ImageFolder:
    return ImageFolder("set", str(root), 8, **options)


def found(root: Path | str, **options: str) -> dict[str, int]:
    index = folder(root, **options).index()
    return dict(zip(index.names, index.labels.tolist(), strict=True))


def test_two_folders_are_searched_for_images(tmp_path: Path) -> None:
    kept = ["Negative/a.png", "Negative/deep/er/b.JPG", "Positive/c.tiff", 'Positive/ü, "x".webp', "Positive/e.bmp"]
    pictures(tmp_path, *kept, "Negative/.hidden.png", "Negative/.trash/f.png", "Other/g.png", "h.png")
    (tmp_path / "Negative/notes.txt").write_text("not an image")
    assert found(tmp_path) == {name: int(name.startswith("P")) for name in kept}


def test_classes_can_have_other_names(tmp_path: Path) -> None:
    pictures(tmp_path, "train/ok/a.png", "nok/b.png")
    assert found(tmp_path, negative="train/ok", positive="nok") == {"train/ok/a.png": 0, "nok/b.png": 1}


def test_mvtec_layout(tmp_path: Path) -> None:
    names = {"train/good/0.png": 0, "test/good/0.png": 0, "test/cut/0.png": 1, "test/hole/0.png": 1}
    pictures(tmp_path, *names, "ground_truth/cut/0_mask.png", "test/ground_truth/1.png")
    assert found(tmp_path) == names


def test_good_directly_in_root(tmp_path: Path) -> None:
    names = {"good/0.png": 0, "cut/0.png": 1, "hole/0.png": 1}
    pictures(tmp_path, *names, "ground_truth/cut/0_mask.png", ".cache/1.png")
    assert found(tmp_path) == names


def test_named_classes_go_before_good(tmp_path: Path) -> None:
    pictures(tmp_path, "Negative/a.png", "Positive/b.png", "good/c.png", "bad/d.png")
    assert found(tmp_path) == {"Negative/a.png": 0, "Positive/b.png": 1}


def test_thumbnails_are_neither_images_nor_a_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"good/0.png": 0, "cut/0.png": 1, "cut/photo.jfif": 1}
    pictures(tmp_path, *names, "@eaDir/0.png/thumb.jpg", "good/@eaDir/0.png/thumb.jpg", "__MACOSX/good/0.png")
    (tmp_path / "good/photo.heic").touch()
    (tmp_path / "good/Thumbs.db").touch()
    assert found(tmp_path) == names
    told = capsys.readouterr().out
    assert told.startswith("set: 5 files left out: 1 of image formats that leanet does not read (.heic, which needs ")
    assert ", 4 hidden or of a system (" in told and "@eaDir" in told and "Thumbs.db" in told
    assert told.count("\n") == 1
    folder(tmp_path).load(tmp_path / "cache")
    assert capsys.readouterr().out == ""  # it is told once


def test_runs_within_the_root_are_no_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"good/0.png": 0, "cut/0.png": 1}
    pictures(tmp_path, *names, "runs/detectors/x/sheet.png", "found/overlays/0.png", "good/found/overlays/0.png")
    for name in ("runs/detectors/x/config.yaml", "found/prediction.json", "good/found/prediction.json"):
        (tmp_path / name).touch()
    assert found(tmp_path) == names
    assert capsys.readouterr().out == "set: 3 files left out: 3 written by leanet (found, runs)\n"


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    pictures(tmp_path, "Negative/a.png", "Positive/b.png")
    os.mkfifo(tmp_path / "Positive/pipe.png")
    with pytest.raises(LeanetError, match=r"1 of 3 images cannot be read: .*pipe.png \(not a regular file\)"):
        folder(tmp_path).index()


def test_links_are_followed_once(tmp_path: Path) -> None:
    pictures(tmp_path, "store/a.png", "root/Positive/b.png")
    (tmp_path / "store/loop").symlink_to(tmp_path / "store")
    (tmp_path / "root/Negative").mkdir()
    (tmp_path / "root/Negative/link").symlink_to(tmp_path / "store")
    assert found(tmp_path / "root") == {"Negative/link/a.png": 0, "Positive/b.png": 1}


def test_hashes_are_of_the_files(tmp_path: Path) -> None:
    pictures(tmp_path, "Negative/a.png", "Positive/b.png")
    index = folder(tmp_path).index()
    assert index.sha256 == tuple(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in index.names)


def test_renaming_and_moving_change_neither_order_nor_fingerprint(tmp_path: Path) -> None:
    pictures(tmp_path / "a", "Negative/1.png", "Negative/2.png", "Positive/3.png")
    pictures(tmp_path / "b", "ok/z.png", "ok/y.png", "nok/x.png")
    first, second = folder(tmp_path / "a").index(), folder(tmp_path / "b", negative="ok", positive="nok").index()
    assert first.sha256 == second.sha256
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.labels, second.labels)


def test_copies_within_and_across_classes_are_kept(tmp_path: Path) -> None:
    names = {"Negative/a.png": 0, "Negative/b.png": 0, "Positive/a.png": 1}
    for name in names:
        picture(tmp_path, name)
    assert found(tmp_path) == names
    images = folder(tmp_path).load(tmp_path / "cache")
    assert len(set(images.pixels)) == 1
    assert len(images.images) == 3


def test_load_decodes_in_the_order_of_the_index_and_keeps_the_result(tmp_path: Path) -> None:
    names = [f"{'Positive' if level % 3 else 'Negative'}/{level:02}.png" for level in range(30)]
    dataset = folder(pictures(tmp_path / "root", *names))
    images = dataset.load(tmp_path / "cache")
    assert images.images.shape == (30, 3, 8, 8)
    assert [f"{level:02}" for level in images.images[:, 0, 0, 0]] == [Path(name).stem for name in images.index.names]
    assert len(set(images.pixels)) == 30

    kept = sorted((tmp_path / "cache").iterdir())
    name = f"set-8-{dataset.index().fingerprint[:12]}-v{DECODER}"
    assert [path.name for path in kept] == [f"{name}.npy", f"{name}.npz"]
    written = kept[0].stat().st_mtime_ns
    again = dataset.load(tmp_path / "cache")
    assert kept[0].stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.images, images.images)
    assert again.pixels == images.pixels


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("kept", [0, 100, 0.9])
def test_a_damaged_cache_is_named_with_what_to_do(tmp_path: Path, suffix: str, kept: float) -> None:
    dataset = folder(pictures(tmp_path / "root", "Negative/a.png", "Positive/b.png"))
    expected = dataset.load(tmp_path / "cache").images.copy()
    (file,) = (tmp_path / "cache").glob(f"*{suffix}")
    content = file.read_bytes()
    file.write_bytes(content[: kept if kept in (0, 100) else int(kept * len(content))])
    with pytest.raises(LeanetError, match=rf"^{file}: damaged; remove it, and give the command that made it once"):
        dataset.load(tmp_path / "cache")
    file.unlink()
    np.testing.assert_array_equal(dataset.load(tmp_path / "cache").images, expected)


def test_unreadable_images_are_named_and_nothing_is_kept(tmp_path: Path) -> None:
    pictures(tmp_path, "Negative/a.png", "Positive/b.png")
    (tmp_path / "Positive/broken.jpg").write_bytes(b"")
    with pytest.raises(LeanetError, match=r"1 of 3 images cannot be read: .*Positive/broken.jpg \(empty file\)$"):
        folder(tmp_path).load(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_relative_paths_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "data", "Negative/a.png", "Positive/b.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found("data") == found("~/data") == found("./data/../data/") == found(tmp_path / "data")
    assert len(folder("data").load(Path("cache")).images) == 2


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["Negative/a.png", "good.png"], {}, r"Negative and Positive, .*`good`.* the folders there are: Negative\."),
        (["a.png"], {}, r"the folders there are: none\."),
        (["bottle/train/good/a.png"], {}, r"the folders there are: bottle\."),
        (["Negative/a.png", "Positive/.b.png"], {}, r"no images in .*/Positive: put"),
        (["Negative/a.gif", "Positive/b.png"], {}, r"no images in .*/Negative: put .*; 1 file left out: .* \(\.gif\)"),
        (["train/good/a.png"], {}, r"no images in .*\(no folder of defects beside `good`\): put"),
        (["good/a.gif", "bad/b.png"], {}, r"no images in .*/good: put"),
        (["x/a.png", "x/y/b.png"], {"negative": "x", "positive": "x/y"}, "negative=x and dataset.positive=x/y overlap"),
    ],
)
def test_errors_name_the_folder(tmp_path: Path, names: list[str], options: dict[str, str], message: str) -> None:
    with pytest.raises(LeanetError, match=message) as caught:
        folder(pictures(tmp_path, *names), **options).index()
    assert "\n" not in str(caught.value)


def test_wrong_roots_are_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    for root, message in (
        (tmp_path / "no", r"dataset.root=.*/no: no such folder; "),
        (tmp_path / "a.png", r"dataset.root=.*/a.png: a file; "),
        ("", r"^dataset=folder needs dataset.root=DIR"),
    ):
        with pytest.raises(LeanetError, match=message):
            folder(root).index()
    with pytest.raises(LeanetError, match=r"needs dataset.root=DIR"):
        ImageFolder("set", None, 8).index()  # type: ignore[arg-type]


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    pictures(tmp_path, "Negative/a.png", "Positive/b.png")
    (tmp_path / "Positive/gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(LeanetError, match=r"1 of 3 images cannot be read: .*gone.png \(No such file"):
        folder(tmp_path).index()


def test_an_index_of_600_files_is_quick(tmp_path: Path) -> None:
    for number in range(600):
        path = tmp_path / ("Positive" if number % 4 else "Negative") / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(10_000))
    started = time.process_time()  # not wall time: other processes may be busy
    assert len(folder(tmp_path).index()) == 600
    assert time.process_time() - started < 0.3
