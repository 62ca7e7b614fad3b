"""One small cell with validation images and one fitted model, made once and shared."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from leanet.data.synthetic import SyntheticLeaves

os.environ["OMP_NUM_THREADS"] = "1"

Configure = Callable[..., dict[str, Any]]
SHORT = ("fold=null", "trainer.max_epochs=2", "colorizer.max_epochs=1", "validation=0.25")


class Made(NamedTuple):
    """Where runs are, and the folder of images that they were made of."""

    runs: Path
    photos: Path

    @property
    def model(self) -> Path:
        (folder,) = self.runs.glob("models/*")
        return folder

    @property
    def folds(self) -> list[Path]:
        return sorted(self.runs.glob("detectors/*"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 normal and 12 anomalous leaves as PNG files, not of the size that networks see."""
    root = tmp_path_factory.mktemp("photos")
    leaves = SyntheticLeaves(image_size=40, negatives=24, positives=12).load(root)
    for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
        file = root / ("Positive" if label else "Negative") / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)
    return root


@pytest.fixture(scope="session")
def made(configure: Configure, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    from leanet.fit import fit

    runs = tmp_path_factory.mktemp("made")
    synthetic = configure(runs, *SHORT)
    dataset = {"_target_": "leanet.data.folder.ImageFolder", "name": "folder", "root": str(photos), "image_size": 32}
    fit({**synthetic, "dataset": dataset})
    return Made(runs, photos)
