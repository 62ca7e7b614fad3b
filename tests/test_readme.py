"""Every leanet.train command that the README shows, run as it stands but small; those of docs/grids.md are planned."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.data.synthetic import SyntheticLeaves

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GRIDS = (ROOT / "docs/grids.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def commands(text: str, name: str = "train") -> list[str]:
    lines = [line for block in blocks(text) for line in block.replace("\\\n", "").splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith(f"python -m leanet.{name}")]


SMALL = (
    "dataset.image_size=32 folds=2 fold=1 trainer.max_epochs=1 trainer.checkpoint_seconds=1000 colorizer.max_epochs=1"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, and `data` that holds small stand-ins for the datasets."""
    home = tmp_path_factory.mktemp("readme")
    leaves = SyntheticLeaves(image_size=32, negatives=12, positives=6).load(home)
    for folder in ("photos", "data/strawberry", "data/hurricane"):
        for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
            file = home / folder / ("Positive" if label else "Negative") / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)
    return home


def test_the_two_commands_come_first_and_exist() -> None:
    targets = re.findall(r"^make (\S+)", blocks(README)[0], re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"`?make ([a-z-]+)", README))


def test_under_200_lines() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("command", commands(README))
def test_commands(command: str, home: Path) -> None:
    given = [word for word in command.split()[3:] if not word.startswith(("dataset.image_size", "fold=", "trainer."))]
    # One point is enough of a sweep.
    words = [re.sub(r"^point=.*", "point=1", word) for word in given]
    found = subprocess.run(
        [sys.executable, "-m", "leanet.train", *words, *SMALL.split()], cwd=home, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    if "dry_run" in command:
        assert re.search(r"^runs: \d+, of which \d+ done", found.stdout, re.MULTILINE)
        return
    assert "always positive" in found.stdout
    pictures = re.findall(r"^picture: (.*)$", found.stdout, re.MULTILINE)
    assert pictures and all((home / picture).exists() for picture in pictures)


@pytest.fixture(scope="module")
def finished(home: Path) -> Path:
    """The folder with a baseline and two points, whichever of the tests above were run."""
    for words in ("caan=none", "caan=mobilenet point=1", "caan=mobilenet point=4"):
        command = ["-m", "leanet.train", "dataset=strawberry", "adn=resnet18", *words.split(), *SMALL.split()]
        subprocess.run([sys.executable, *command], cwd=home, check=True, capture_output=True)
    return home


@pytest.mark.parametrize("command", commands(README, "report"))
def test_reports(command: str, finished: Path) -> None:
    found = subprocess.run([sys.executable, *command.split()[1:]], cwd=finished, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    written = re.findall(r"^written: (.*?)(?:\.\{(.*)\})?$", found.stdout, re.MULTILINE)
    assert written
    for file, endings in written:
        for ending in endings.split(","):
            assert (finished / (f"{file}.{ending}" if ending else file)).stat().st_size > 100


@pytest.mark.parametrize("command", [line for line in commands(GRIDS) if "launcher=slurm" not in line])
def test_grids_can_be_planned(command: str, home: Path) -> None:
    words = command.split()[3:]
    plan = ["hydra.sweeper.dry_run=true"] if "-m" in words else ["--cfg", "job"]
    found = subprocess.run(
        [sys.executable, "-m", "leanet.train", *words, *plan], cwd=home, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert "0 done" in found.stdout or "devices: 4" in found.stdout
