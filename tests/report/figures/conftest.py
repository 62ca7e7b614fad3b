from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leanet.data.synthetic import SyntheticLeaves
from leanet.train import train

Configure = Callable[..., dict[str, Any]]

# A small CNN with maps at point 3 in both folds, and in one at point 1 and without attention.
MODELS = (("caan=mobilenet", "point=3", "fold=null"), ("caan=mobilenet", "point=1"), ("caan=none",))
EPOCHS = ("trainer.max_epochs=1", "colorizer.max_epochs=1")
ODD = "$x_{<b>&"  # in each file's name


@pytest.fixture(scope="session")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, some of which are named like markup."""
    root = tmp_path_factory.mktemp("leaves")
    painter = SyntheticLeaves(negatives=1, positives=1, image_size=32)
    for number in range(24):
        anomalous = number % 3 == 0
        file = root / ("Positive" if anomalous else "Negative") / f"{ODD}{number}.png"
        file.parent.mkdir(exist_ok=True)
        rgb, _ = painter.paint(number, anomalous)
        Image.fromarray(np.rint(rgb * 255).astype(np.uint8).transpose(1, 2, 0)).save(file)
    return root


@pytest.fixture(scope="session")
def home(configure: Configure, leaves: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where real runs on `leaves` are done."""
    home = tmp_path_factory.mktemp("runs")
    for words in MODELS:
        config = configure(home, "adn=cnn", *EPOCHS, *words)
        folder = {"name": "leaves", "root": str(leaves), "image_size": 32, "folds_file": None}
        config["dataset"] = {"_target_": "leanet.data.folder.ImageFolder", **folder}
        train(config)
    return home
