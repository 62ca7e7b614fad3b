"""The command on finished runs with and without cross-fitting: what it removes, leaves alone, and what works after."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanet.clean import clean
from leanet.errors import LeanetError
from leanet.report.figures.pictures import Gallery
from leanet.storage.locks import lock
from leanet.train import train

Configure = Callable[..., dict[str, Any]]
SHORT = ("adn=cnn", "colorizer=autoencoder", "trainer.max_epochs=1", "colorizer.max_epochs=1")
NEVER = {"result.json", "predictions.csv", "curves.csv", "config.yaml", "card.json", "card.md", "colorizer.pt"}


@pytest.fixture(scope="module")
def trained(no_sheets: None, configure: Configure, once: Any) -> Path:
    """Where a fold with cross-fitted maps is done."""
    return once("cleaned", lambda home: train(configure(home, *SHORT, "map.cross_fit=2")))


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def given(home: Path, remove: str | list[str] | None = None, dry_run: bool = True) -> dict[str, Any]:
    return {"remove": remove, "dry_run": dry_run, "paths": {"runs": str(home)}}


def files(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*") if file.is_file()}


def counts(printed: str) -> dict[str, int]:
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in printed.splitlines()[2:]]
    return {kind: int(count) for kind, count in rows}


def test_the_table_counts_each_file_once_and_removes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(home)
    clean(given(home))
    found = counts(capsys.readouterr().out)
    assert found.pop("total") == len(before) == sum(found.values())
    assert found["maps"] == found["checkpoints"] == 1 and found["unfinished"] == found["temporary"] == 0
    clean(given(home, ["maps", "checkpoints"]))
    assert "altogether 2 files" in capsys.readouterr().out and files(home) == before


def test_maps_are_made_again_bit_for_bit_and_the_run_stays_done(
    home: Path, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    clean(given(home, ["images", "features", "maps", "checkpoints", "temporary"], dry_run=False))
    gone = {Path(name).name for name in before.keys() - files(home).keys()}
    assert gone == {"maps-ciede2000.npy", "last.ckpt"}
    capsys.readouterr()
    train(configure(home, *SHORT, "map.cross_fit=2"))
    assert "all done before" in capsys.readouterr().out
    (maps,) = (name for name in before if name.endswith("maps-ciede2000.npy"))
    (folder,) = home.glob("detectors/*")
    panel = Gallery(home, home).of(folder).panels([0])[0]
    assert panel.difference is not None and panel.attention is not None
    assert "its maps were removed, and are made again" in capsys.readouterr().out
    assert (home / maps).read_bytes() == before[maps]


def test_a_model_is_kept_whole(made: Any, tmp_path: Path) -> None:
    home = Path(shutil.copytree(made.runs, tmp_path / "runs"))
    model = files(home / "models")
    kept = {name: content for name, content in files(home).items() if Path(name).name in NEVER}
    kinds = ["images", "features", "maps", "checkpoints", "unfinished", "temporary"]
    clean(given(home, kinds, dry_run=False))
    assert files(home / "models") == model and kept.items() <= files(home).items()
    assert not [*home.glob("images/*.np?"), *home.glob("detectors/*/last.ckpt"), *home.glob("colorizers/*/*.npy")]


def test_what_another_process_uses_is_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = home.glob("detectors/*")
    before = files(home)
    with lock(folder):
        clean(given(home, ["maps", "checkpoints"], dry_run=False))
        told = capsys.readouterr().out
    assert f"left alone: all maps: {folder.name} is being trained" in told
    assert f"left alone: checkpoints in {folder}: another process is using the folder" in told
    assert "removed: 0 files" in told and files(home) == before


def test_an_unfinished_folder_is_removed_only_if_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = home.glob("detectors/*")
    (folder / "result.json").unlink()
    stopped = home / "colorizers" / "a-fold1-0123456789ab"
    stopped.mkdir()
    (stopped / "last.ckpt").touch()
    clean(given(home, "checkpoints", dry_run=False))
    assert (folder / "last.ckpt").exists()  # a run resumes from it
    clean(given(home, "unfinished"))
    assert f"    {folder}\n" in capsys.readouterr().out and stopped.exists()
    clean(given(home, "unfinished", dry_run=False))
    assert not folder.exists() and not stopped.exists() and list(home.glob("colorizers/*/colorizer.pt"))


def test_maps_without_their_colorizer_are_kept(home: Path) -> None:
    (maps,) = home.glob("colorizers/*/maps-*.npy")
    next(home.glob("colorizers/*-part2-*/colorizer.pt")).unlink()
    clean(given(home, "maps", dry_run=False))
    assert maps.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"remove": "models"}, "^remove=models: must be some of images, features, maps"),
        ({"dry_run": False}, "^dry_run=false: give what to remove"),
        ({"paths": {"runs": "/nowhere"}}, "^paths.runs=/nowhere: no such folder"),
    ],
)
def test_what_does_not_fit_is_told(home: Path, words: dict[str, Any], told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        clean(given(home) | words)
