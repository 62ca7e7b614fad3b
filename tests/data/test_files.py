import os
from pathlib import Path

import pytest

from leanet.data.files import Files, Kind, is_system, subfolders

# What is found beside photographs: https://github.com/github/gitignore (Global) and the makers' manuals name them.
SYSTEM = [
    *("@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.png", "#snapshot/1.png", "@tmp/1.png"),  # Synology
    *("@Recycle/1.png", "@Recently-Snapshot/1.png", ".@__thumb/1.png", "@__thumb/1.png"),  # QNAP
    *("$RECYCLE.BIN/1.png", "System Volume Information/1.png", "FOUND.000/1.png"),  # Windows
    *("Thumbs.db", "ehthumbs.db", "Desktop.ini"),
    *("__MACOSX/._1.png", "._1.png", ".DS_Store", ".Spotlight-V100/1.png", ".Trashes/1.png", ".AppleDouble/1.png"),
    *("Network Trash Folder/1.png", "Temporary Items/1.png", ".fseventsd/1.png", "Icon\r"),
    *(".Trash-1000/files/1.png", ".thumbnails/normal/1.png", "lost+found/1.png", ".git/1.png"),  # Linux
]


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path, kind: Kind) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in Files.below(root).of(kind))


@pytest.mark.parametrize("name", SYSTEM)
def test_what_systems_leave_behind_is_no_image_and_no_class(tmp_path: Path, name: str) -> None:
    touched(tmp_path, name, "a/1.png", f"a/{name}")
    top = name.split("/")[0]
    assert is_system(top)
    assert found(tmp_path, Kind.IMAGE) == ["a/1.png"]
    assert found(tmp_path, Kind.SYSTEM) == sorted([top, f"a/{top}"])
    folders, left_out = subfolders(tmp_path)
    assert [path.name for path in folders] == ["a"]
    assert [path.name for _, path in left_out] == [top] * (tmp_path / top).is_dir()


@pytest.mark.parametrize("name", ["good", "trash", "thumbs", "a@eaDir", "images", "recycled", "#1", "@home", "$5"])
def test_other_folders_are_searched(tmp_path: Path, name: str) -> None:
    assert found(touched(tmp_path, f"{name}/1.png"), Kind.IMAGE) == [f"{name}/1.png"]


def test_every_file_is_counted_once_by_its_kind(tmp_path: Path) -> None:
    images = ["1.png", "2.JPG", "3.jpeg", "4.jpe", "5.jfif", "6.tif", "7.TIFF", "8.bmp", "9.webp"]
    not_read = ["1.heic", "2.HEIF", "3.cr2", "4.NEF", "5.dng", "6.psd", "7.svg", "8.gif", "9.avif", "a.jp2", "b.raw"]
    touched(tmp_path, *images, *not_read, "notes.txt", "labels.json", "README", "d/@eaDir/1.png/a.jpg", "d/Thumbs.db")
    assert found(tmp_path, Kind.IMAGE) == images
    assert found(tmp_path, Kind.NOT_READ) == not_read
    told = Files.below(tmp_path).left_out
    assert told.startswith("16 files left out: 11 of image formats that leanet does not read (")
    assert ", 2 hidden or of a system (@eaDir, Thumbs.db), 3 other (" in told
    assert "\n" not in told and len(told) < 300


def test_heic_is_named_with_what_to_do(tmp_path: Path) -> None:
    told = Files.below(touched(tmp_path, "1.heic", "2.HEIC", "3.png")).left_out
    assert told == (
        "2 files left out: 2 of image formats that leanet does not read (.heic, which needs pip install 'leanet[heic]')"
    )


def test_nothing_is_said_where_all_are_images(tmp_path: Path) -> None:
    assert Files.below(touched(tmp_path, "a/1.png", "b/2.jpg")).left_out == ""


@pytest.mark.parametrize(
    "own",
    [
        ["prediction.json", "overlays/1.png.jpg"],
        ["predictions.part.jsonl", "overlays/1.png.jpg"],
        ["config.yaml", "result.json", "sheet.png"],
        ["detectors/a/config.yaml", "detectors/a/sheet.png", "report/page/1.png"],
        ["models/a/config.yaml", "models/a/sheet.png"],
    ],
)
def test_what_leanet_wrote_is_no_image_and_no_class(tmp_path: Path, own: list[str]) -> None:
    touched(tmp_path, "good/1.png", *(f"{top}/{name}" for top in ("out", "good/out") for name in own))
    assert found(tmp_path, Kind.IMAGE) == ["good/1.png"]
    assert found(tmp_path, Kind.OWN) == ["good/out", "out"]
    assert [path.name for path in subfolders(tmp_path)[0]] == ["good"]


def test_pictures_of_a_prediction_written_into_its_source_are_left_out(tmp_path: Path) -> None:
    touched(tmp_path, "1.png", "prediction.json", "overlays/1.png.jpg", "reliability.png", "a/overlays/2.png")
    assert found(tmp_path, Kind.IMAGE) == ["1.png", "a/overlays/2.png"]


def test_closed_folders_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(tmp_path, "1.png", "closed/2.png")
    scandir = os.scandir

    def refusing(path: str) -> object:  # as for anyone but root
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert Files.below(tmp_path).left_out == "1 file left out: 1 without permission to read (closed)"
