"""A frozen ADN from start to end: its features are computed once, and new images get the answers of the test folds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leanet
from leanet.data.synthetic import SyntheticLeaves
from leanet.detector.ablation import KINDS
from leanet.experiment import frozen_features
from leanet.model.ablation import Ablator
from leanet.model.find import kept_in
from leanet.report.cells import cells_of
from leanet.report.lifts import lifts
from leanet.report.predictions import Predictions
from leanet.report.results import results
from leanet.train import train

Configure = Callable[..., dict[str, Any]]
WORDS = ("adn=frozen", "adn.stages=[3,4]", "fold=null", "validation=0.25", "dataset.difficulty=0")


@pytest.fixture(scope="module")
def home(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("frozen")
    train(configure(home, *WORDS))
    return home


def test_features_are_computed_once(configure: Configure, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For other positives, splits and strengths; not for other stages."""
    (file,) = home.glob("features/*/features.npy")
    assert np.load(file, mmap_mode="r").shape == (36, 40 + 112)
    asked: list[int] = []
    before = frozen_features.batches
    monkeypatch.setattr(frozen_features, "batches", lambda *given: asked.append(1) or before(*given))
    for words in (["positive_rate=0.5"], ["split_seed=1", "seed=3"], ["adn.strength=1"]):
        train(configure(home, *WORDS, *words, "fold=1"))
    assert not asked and len(list(home.glob("features/*"))) == 1
    train(configure(home, *WORDS, "adn.stages=[4]", "fold=1"))
    assert asked and len(list(home.glob("features/*"))) == 2


def test_it_is_good_and_the_same_for_every_seed(home: Path) -> None:
    folds = results(home)
    folds = folds[(folds["model"] == "frozen-stages34") & (folds["split_seed"] == 0)]
    assert folds["auroc"].mean() > 0.75
    assert set(folds["epochs"]) == {0} and set(folds["parameters"]) == {40 + 112 + 1}


def test_a_loaded_run_answers_about_its_test_images_as_it_did(home: Path) -> None:
    leaves = SyntheticLeaves(image_size=32, negatives=24, positives=12, difficulty=0)
    images = leaves.load(home)
    pixels = dict(zip(images.index.names, images.images, strict=True))
    folds = results(home)
    for folder in folds["folder"][folds["cell"] == folds["cell"].iloc[0]]:
        found = Predictions.of(folder)
        answers = leanet.load(folder).predict([np.moveaxis(pixels[name], 0, -1) for name in found.names])
        np.testing.assert_allclose(answers.probabilities, found.probabilities, atol=1e-5)


def test_a_loaded_run_says_where_its_answer_comes_from(home: Path) -> None:
    """The evidence adds up to the logit."""
    image = SyntheticLeaves(image_size=32, negatives=24, positives=12, difficulty=0).load(home).images[0]
    found = leanet.load(results(home)["folder"].iloc[0]).predict([np.moveaxis(image, 0, -1)], details=True)
    assert found.evidence is not None and found.evidence.shape == (1, 4, 4)
    chance = found.probabilities[0]
    assert found.evidence.sum() == pytest.approx(np.log(chance / (1 - chance)), abs=1e-4)


def test_the_sheet_is_drawn(home: Path) -> None:
    sheet = next(home.glob("detectors/*frozen-stages34-fold1*/sheet.png"))
    assert Image.open(sheet).width > 100


MAPPED = (
    "adn=frozen adn.stages=[3,4] adn.pooling=map adn.map_statistics=true caan=direct point=3 map=patchcore "
    "map.layers=[3] map.coreset=0.05 dataset.difficulty=0"
)


@pytest.fixture(scope="module")
def attended(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose maps have every say that they can have."""
    home = tmp_path_factory.mktemp("attended")
    train(configure(home, *MAPPED.split(), "fold=1"))
    return home


def mapped_folder(home: Path) -> Path:
    """Of its first fold."""
    folds = results(home)
    return Path(folds["folder"][folds["caan"] == "direct"].iloc[0])


def test_a_run_with_attention_answers_as_it_did(attended: Path) -> None:
    leaves = SyntheticLeaves(image_size=32, negatives=24, positives=12, difficulty=0)
    images = leaves.load(attended)
    pixels = dict(zip(images.index.names, images.images, strict=True))
    folder = mapped_folder(attended)
    known = Predictions.of(folder)
    found = leanet.load(folder).predict([np.moveaxis(pixels[name], 0, -1) for name in known.names], True)
    np.testing.assert_allclose(found.probabilities, known.probabilities, atol=1e-5)
    assert found.evidence is not None and found.attention is not None and found.maps is not None
    logits = np.log(found.probabilities / (1 - found.probabilities))
    np.testing.assert_allclose(found.evidence.sum((1, 2)), logits, atol=1e-4)


def test_its_features_are_of_its_fold_and_shared_by_strengths(configure: Configure, attended: Path) -> None:
    (file,) = attended.glob("features/*/features.npy")
    train(configure(attended, *MAPPED.split(), "fold=1", "adn.strength=1"))
    assert [*attended.glob("features/*/features.npy")] == [file]
    train(configure(attended, *MAPPED.split(), "fold=2"))
    assert len([*attended.glob("features/*/features.npy")]) == 2


def test_it_is_compared_with_the_frozen_network_alone(configure: Configure, attended: Path) -> None:
    train(configure(attended, "adn=frozen", "adn.stages=[3,4]", "dataset.difficulty=0", "fold=null"))
    folds = results(attended)
    (first, *_) = [cell for cell in cells_of(folds).itertuples() if cell.caan == "direct"]
    assert first.plain == "frozen-stages34" and first.key in lifts(folds)


def test_its_attention_can_be_ablated(attended: Path) -> None:
    """Which first asks the run itself, whose probabilities must be those that it wrote."""
    kept = kept_in(mapped_folder(attended))
    found = Ablator("cpu", attended).ablated(kept, KINDS)
    assert all(0 <= found[kind]["auroc"] <= 1 for kind in KINDS)
