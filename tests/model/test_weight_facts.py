"""What is told of pretrained weights, beside their file, their package's licence and published figures."""

import hashlib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.config.effective import settings_of
from leanet.config.weight_sources import BUNDLED_PACKAGE, file_of
from leanet.model.weight_facts import WeightFacts, unloaded, weight_facts, weights_table
from leanet.runs.run import Run

Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def facts(configure: Configure, tmp_path: Path) -> Callable[..., list[WeightFacts]]:
    def of(*words: str) -> list[WeightFacts]:
        run = Run(settings_of(configure(tmp_path, *words)), "", 1)
        return weight_facts(run, unloaded(run))

    return of


def test_the_bundled_weights_are_those_of_their_file(facts: Callable[..., list[WeightFacts]]) -> None:
    (found,) = facts("adn=frozen")
    file = file_of("bundled")
    assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    tensors = torch.load(file, weights_only=True)
    parts = ("running_mean", "running_var", "num_batches_tracked", "fc.weight", "fc.bias", "classifier")
    assert found["parameters"] == sum(t.numel() for name, t in tensors.items() if not any(p in name for p in parts))
    assert found["mean"] == found["deviation"] == [0.5] * 3  # TensorFlow's networks see -1…1


def test_the_bundled_weights_have_the_licence_of_their_package(facts: Callable[..., list[WeightFacts]]) -> None:
    package = distribution(BUNDLED_PACKAGE)
    (licence,) = [file for file in package.files or [] if file.name == "LICENSE"]
    assert licence.read_text().startswith("Apache Software License 2.0")
    (found,) = facts("adn=frozen")
    assert found["licence"] == "Apache-2.0"
    assert found["source"] == f"{BUNDLED_PACKAGE} {package.version}"


def test_timms_weights_have_their_tag(facts: Callable[..., list[WeightFacts]]) -> None:
    (found,) = facts("adn=timm", "adn.model=convnext_tiny", "adn.weights=imagenet", "caan=none")
    assert (found["source"], found["licence"]) == ("timm/convnext_tiny.in12k_ft_in1k", "apache-2.0")
    assert found["parameters"] == 28_589_128 - 769_000  # published, without the classifier of 1,000 classes
    assert found["points"] == [None, "stages.0", "stages.1", "stages.2", "stages.3"]
    assert found["sha256"] is None and found["mean"] == [0.485, 0.456, 0.406]


def test_each_network_has_a_column(facts: Callable[..., list[WeightFacts]], tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    file.write_bytes(b"anything: it is not loaded")
    words = ("adn=vgg16", f"adn.weights={file}", "caan=timm", "caan.weights=bundled", "map=patchcore")
    found = facts(*words, "caan.model=tf_efficientnet_lite0", "dataset.image_size=64")
    assert [each["part"] for each in found] == ["ADN", "CAAN", "patchcore"]
    vgg, caan, patchcore = found
    assert vgg["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and vgg["licence"] is None
    assert vgg["parameters"] == 14_714_688  # VGG16's convolutions, as published; the head is new
    assert caan["mean"] is None and patchcore["points"] == [2, 3]
    lines = weights_table(found).splitlines()
    assert all(line.count("|") == 5 for line in lines)
    assert any(line.startswith("| licence") and "| not known " in line for line in lines)


@pytest.mark.parametrize(
    "words", [["caan=none"], ["caan=none", "map=patchcore"], ["map=patchcore", "map.weights=none"]]
)
def test_nothing_is_told_of_what_is_not_used(facts: Callable[..., list[WeightFacts]], words: list[str]) -> None:
    assert facts(*words) == []
