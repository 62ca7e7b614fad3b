"""What docs/predict.md, the README's "Use a model on new images" and the docstrings show, run small."""

import doctest
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leanet
import leanet.detector.attention
import leanet.model.load
from leanet.data.synthetic import SyntheticLeaves

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/predict.md").read_text()
README = (ROOT / "README.md").read_text()
SMALL = "dataset.image_size=32 folds=2 trainer.max_epochs=1 colorizer.max_epochs=1"


def commands(text: str) -> list[str]:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [line.split("  #")[0].split("   #")[0].strip() for line in lines if line]


USE = commands(README.partition("## Use a model on new images")[2].partition("## ")[0])


Give = Callable[[list[str], Path], str]


@pytest.fixture(scope="module")
def give(python: Any) -> Give:
    """give(["-m", "leanet.fit", …], home) → what that prints in the folder `home`."""

    def printed(words: list[str], home: Path) -> str:
        found = python(*words, cwd=home)
        assert found.returncode == 0, found.stderr
        return found.stdout

    return printed


@pytest.fixture(scope="module")
def home(give: Give, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `photos`, and the model that the page's first command fits."""
    home = tmp_path_factory.mktemp("page")
    leaves = SyntheticLeaves(image_size=32, negatives=12, positives=6).load(home)
    for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
        file = home / "photos" / ("Positive" if label else "Negative") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)
    give([*shlex.split(commands(PAGE)[0])[1:], *SMALL.split()], home)
    return home


def test_the_readme_has_the_three_commands() -> None:
    assert [command.split()[2] for command in USE] == ["leanet.fit", "leanet.predict", "leanet.export"]


SLOW = (
    "leanet.export",
    "threshold=f1",
    "threshold=recall",
    "threshold=0.3",
    "calibration=temperature",
)  # tests/test_predict.py has these in one process


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=[pytest.mark.slow] * any(word in command for word in SLOW))
        for command in sorted({*commands(PAGE), *USE})
    ],
)
def test_commands(command: str, give: Give, home: Path) -> None:
    words = shlex.split(command)[1:]
    printed = give([*words, *(SMALL.split() if words[1] == "leanet.fit" else [])], home)
    made = re.findall(r"^(?:written:?|model:|card:) +([^,\n]*)", printed, re.MULTILINE)
    assert made and all((home / file).exists() for file in made), printed


def test_files_that_the_page_names(home: Path) -> None:
    (model,) = home.glob("runs/models/photos-resnet18*")
    (first, _) = PAGE.split("## Choosing the model")
    for name in re.findall(r"`([\w/]+\.(?:md|json|yaml|ckpt|pt|csv))`", first):
        assert (model / name).exists(), name


def test_the_program(give: Give, home: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    files = {label: next((home / "photos" / label).iterdir()) for label in ("Positive", "Negative")}
    named = re.sub(r"photos/(\w+)/\d+\.png", lambda found: str(files[found[1]]), program)
    assert "(2, 32, 32) (2, 2, 2)" in give(["-c", named], home)


def test_docstrings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (model,) = home.glob("runs/models/photos-resnet18*")
    shutil.copytree(model, model.with_name("leaves-resnet18+mobilenet-point4"), dirs_exist_ok=True)
    (home / "new").mkdir()
    for name, file in zip(("one", "two"), sorted(home.glob("photos/*/*.png")), strict=False):
        shutil.copy(file, home / "new" / f"{name}.png")
    for module in (leanet, leanet.model.load, leanet.detector.attention):
        found = doctest.testmod(module)
        assert found.attempted >= 3 and not found.failed
