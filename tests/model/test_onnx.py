"""An ONNX file must say what PyTorch says, and be an ONNX file for others than ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from leanet.colorizer.build import colorizer_of
from leanet.config.effective import settings_of
from leanet.data.synthetic import SyntheticLeaves
from leanet.detector.build import detector_of
from leanet.errors import LeanetError
from leanet.maps.color_maps import ColorMaps
from leanet.maps.features.layers import extracted
from leanet.maps.features.recipe import extractor_of, fit_features
from leanet.model import onnx as exporting
from leanet.model.pipeline import Ensemble, Pipeline
from leanet.model.program import Exportable, ExportFacts, as_predictor, program_of

Configure = Callable[..., dict[str, Any]]

FACTS = ExportFacts("leaves", 32, ("0123456789ab",), "0.1.0", fit="pad")
WORDS = {
    "resnet18 and MobileNet's CAAN": ["adn=resnet18", "caan=mobilenet", "point=4"],
    "VGG16": ["adn=vgg16", "caan=direct", "point=5", "map=ab", "map.scaling=image_max"],
    "direct attention, resized": ["adn=cnn", "caan=direct", "point=3", "map=legacy"],
    "a standardized attention": [
        "adn=cnn", "point=2", "attention=standardized", "attention.squash=none", "attention.centred=true",
        "attention.learned_gain=true",
    ],
    "a weighed attention": ["adn=cnn", "point=2", "attention=conv", "attention.squash=tanh", "attention.gain=2"],
    "several points": ["adn=cnn", "attention.points=[1,3]"],
    "the largest channel": ["adn=cnn", "point=2", "attention=max"],
    "no attention": ["adn=resnet18", "caan=none"],
    "PaDiM's maps": ["adn=cnn", "caan=direct", "point=2", "map=padim", "map.pretrained=false", "map.channels=20"],
    "PatchCore's maps": [
        "adn=cnn", "caan=none", "input=map", "map=patchcore", "map.pretrained=false", "map.network=test_efficientnet",
    ],
    "the map alone": ["adn=cnn", "caan=none", "input=map", "colorizer=autoencoder"],
}  # fmt: skip


def untrained(configure: Configure, *words: str) -> Pipeline:
    """A pipeline with weights that are drawn, since what is compared are two ways to compute with them."""
    settings = settings_of(configure(Path("unused"), *words))
    network = detector_of(settings, fold=1)
    if settings.caan.network is None and settings.input.name == "rgb":
        return Pipeline(network).eval()
    divisor = None if settings.map.scaling == "image_max" else 30.0
    if settings.map.is_of_features:
        normals = torch.from_numpy(SyntheticLeaves(image_size=32, negatives=4, positives=1).load(Path()).images)
        extractor = extractor_of(settings.map, 32)
        maker = fit_features(extractor, extracted(extractor, normals, torch.device("cpu")), settings.map)
        return Pipeline(network, [maker], divisor).eval()
    colorizer = colorizer_of(settings.colorizer, settings.image_size)
    return Pipeline(network, [ColorMaps(colorizer, settings.map.name)], divisor).eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    found = SyntheticLeaves(image_size=32, negatives=4, positives=3).load(Path("unused")).images
    return np.ascontiguousarray(np.moveaxis(found, 1, -1))


SLOW = (
    "a standardized attention",
    "a weighed attention",
    "the largest channel",
    "VGG16",
    "the map alone",
    "no attention",
    "several points",
    "resnet18 and MobileNet's CAAN",
    "PaDiM's maps",
    "direct attention, resized",
)  # as the rest


@pytest.mark.parametrize(
    "words", [pytest.param(words, id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name, words in WORDS.items()]
)
def test_says_what_pytorch_says(words: list[str], configure: Configure, images: np.ndarray) -> None:
    network = Exportable(untrained(configure, *words))
    content = exporting.to_bytes(program_of(network, 32), FACTS)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    ask = exporting.read_predictor(content)
    for some in (images, images[:1]):
        found, expected = ask(some), as_predictor(network)(some)
        assert list(found) == list(expected)
        for name, value in expected.items():
            # Half precision, in which maps are kept, rounds the last bits of either to neighbours at times; what is
            # standardized enlarges that.
            atol = 1e-3 if name == "attention_map" and np.abs(value).max() > 1 else 1e-4
            np.testing.assert_allclose(found[name], value, atol=atol, rtol=2e-3 if name == "anomaly_map" else 0)


def test_an_ensemble_says_the_mean(configure: Configure, images: np.ndarray) -> None:
    folds = [untrained(configure, "adn=cnn", "caan=none", f"seed={seed}") for seed in (0, 1)]
    program = program_of(Exportable(Ensemble(folds).eval()), 32)
    found = exporting.read_predictor(exporting.to_bytes(program, FACTS))(images)
    apart = [as_predictor(Exportable(fold))(images)["probability"] for fold in folds]
    np.testing.assert_allclose(found["probability"], np.mean(apart, axis=0), atol=1e-5)


@pytest.fixture(scope="module")
def network(configure: Configure) -> Exportable:
    return Exportable(untrained(configure, "adn=cnn", "caan=direct", "colorizer=autoencoder"))


@pytest.fixture(scope="module")
def program(network: Exportable) -> Any:
    return program_of(network, 32)


def test_the_file_says_what_it_is_and_nothing_of_where_it_was_made(program: Any) -> None:
    content = exporting.to_bytes(program, FACTS)
    model = onnx.load_from_string(content)
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "name": "leaves",
        "image_size": "32",
        "runs": '["0123456789ab"]',
        "version": "0.1.0",
        "classes": '["normal", "anomalous"]',
        "threshold": "0.5",
        "fit": "pad",
    }
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["N", 32, 32, 3]
    assert str(Path(exporting.__file__).parents[2]).encode() not in content


def test_networks_too_large_for_a_file_are_told_at_once(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_BYTES", 1000)
    with pytest.raises(LeanetError, match="GB of weights: an ONNX file holds 2 GB"):
        exporting.to_bytes(program, FACTS)


def test_the_program_takes_any_number_of_images(network: Exportable, program: Any, images: np.ndarray) -> None:
    for some in (images, images[:1]):
        pixels = torch.from_numpy(some)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(pixels), network(pixels))
