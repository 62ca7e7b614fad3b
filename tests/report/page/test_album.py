"""Pictures of cells that have other folds than each other, and of repeats with other splits taken as one."""

import base64
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leanet
from leanet.report.cells import pooled
from leanet.report.figures.draw import figures_of
from leanet.report.figures.pictures import Gallery
from leanet.report.page.album import add_pictures
from leanet.report.page.data import PageData, page_data
from leanet.report.results import results
from leanet.report.selection import Selection
from leanet.train import train

Configure = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def home(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One fold of two splits, which share some of their test images and not all."""
    home = tmp_path_factory.mktemp("splits")
    for split_seed in range(2):
        words = ("adn=cnn", "caan=direct", "trainer.max_epochs=1", "colorizer.max_epochs=1", "fold=1")
        train(configure(home, *words, f"split_seed={split_seed}"))
    return home


def tiles(page: PageData, sprite: int, count: int) -> list[np.ndarray]:
    """The pictures in a sprite, in the order of its rows."""
    made = page.data["sprites"][sprite]
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(made["uri"].partition(",")[2]))).convert("RGB"))
    size = len(whole) // made["rows"]
    places = [divmod(row, made["columns"]) for row in range(count)]
    return [whole[down * size : (down + 1) * size, right * size : (right + 1) * size] for down, right in places]


@pytest.mark.parametrize("together", [False, True])
def test_every_image_has_its_picture(home: Path, together: bool) -> None:
    folds = pooled(results(home)) if together else results(home)
    assert folds["cell"].nunique() == (1 if together else 2)
    facts = page_data(folds)
    add_pictures(facts, Gallery(home, home))
    [images] = facts.data["images"]
    tested = {name for cell in facts.data["cells"] for run in cell["runs"] for name in run["rows"]}
    assert len(images["names"]) == len(tested) > 18  # of 36, 18 in each fold
    dataset = Gallery(home, home).of(folds["folder"].iloc[0]).images
    pixels = dict(zip(dataset.index.names, dataset.images, strict=True))
    for name, tile in zip(images["names"], tiles(facts, images["sprite"], len(images["names"])), strict=True):
        assert np.abs(tile.transpose(2, 0, 1).astype(int) - pixels[name]).mean() < 12, name  # lossy
    assert all(cell["maps"] is not None and cell["missing"] is None for cell in facts.data["cells"])
    assert all(cell["evidence"] is None for cell in facts.data["cells"])
    names = [run["name"] for cell in facts.data["cells"] for run in cell["runs"]]
    assert names == (["1, split 0", "1, split 1"] if together else ["1", "1"])


def test_the_evidence_of_a_frozen_network_has_its_sign(frozen: Path) -> None:
    """Orange where a position speaks for anomalous and violet where it speaks for normal, as `leanet.load` says it."""
    folds = results(frozen)
    facts = page_data(folds)
    add_pictures(facts, Gallery(frozen, frozen))
    [told], [images] = facts.data["cells"], facts.data["images"]
    assert told["maps"] is None and told["attention"] is None and told["missing"] is None
    dataset = Gallery(frozen, frozen).of(folds["folder"].iloc[0]).images
    pixels = dict(zip(dataset.index.names, dataset.images, strict=True))
    shown = [pixels[name].transpose(1, 2, 0) for name in images["names"]]
    evidence = leanet.load(folds["folder"].iloc[0]).predict(shown, details=True).evidence
    assert evidence is not None
    signs = []
    for tile, meant in zip(tiles(facts, told["evidence"], len(shown)), evidence, strict=True):
        assert tile.shape == (4, 4, 3)  # each of its values
        signs.append(((tile[..., 0] > tile[..., 2]) == (meant > 0))[np.abs(meant) > np.abs(evidence).max() / 20])
    assert np.concatenate(signs).all()


def test_a_lost_network_leaves_a_frozen_cell_its_images(frozen: Path, tmp_path: Path) -> None:
    home = shutil.copytree(frozen, tmp_path / "runs")
    next(home.glob("detectors/*/last.ckpt")).unlink()
    facts = page_data(results(home))
    add_pictures(facts, Gallery(home, home))
    [told], [images] = facts.data["cells"], facts.data["images"]
    assert images["sprite"] is not None and told["evidence"] is None
    assert told["missing"].startswith("Without pictures of the evidence: ")


@pytest.mark.parametrize("figure", ["mistakes", 3, 5])
def test_figures_of_repeats_taken_as_one(home: Path, figure: int | str) -> None:
    [drawing] = figures_of(Selection(home, pooled(results(home)), home), figure)
    assert drawing.figure.axes and drawing.settings.startswith("synthetic: image_size 32, folds 2, ")
