"""Frozen stages, by the tensors that move in an epoch, beside the names of timm's modules."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leanet.config.effective import settings_of
from leanet.detector.adn import Adn, resnet18, timm_adn, vgg
from leanet.detector.build import detector_of
from leanet.detector.freeze import freeze
from leanet.detector.task import DetectorTask
from leanet.errors import LeanetError
from leanet.experiment.result import trainable
from leanet.training.batches import DeviceData
from leanet.training.fit import FitPlan, fit

Configure = Callable[..., dict[str, Any]]
LITE0 = ("adn=timm", "adn.model=tf_efficientnet_lite0", "adn.weights=bundled", "dataset.image_size=64")
EXAMPLE = torch.zeros(1, 3, 64, 64)


@cache
def made(make: Callable[[], Adn]) -> Adn:
    return make()


def test_an_epoch_moves_what_comes_after_the_frozen_stages(configure: Configure, tmp_path: Path) -> None:
    settings = settings_of(configure(tmp_path, *LITE0, "adn.freeze=3", "caan=direct", "point=4"))
    network = detector_of(settings, fold=1)
    before = {name: value.clone() for name, value in network.adn.network.state_dict().items()}
    images = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    rows = {"images": images, "labels": torch.tensor([0, 1] * 4), "maps": torch.rand(8, 1, 64, 64).half()}
    data = DeviceData({**rows, "scales": torch.ones(8)}, batch_size=4, seed=0)
    fit(DetectorTask(network, lr=1e-3), data, FitPlan(tmp_path, "test", 1, 0, settings.trainer))
    after = network.adn.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    # timm: features at S/2, S/4 and S/8 come from blocks 0, 1 and 2, after the stem.
    kept = ("conv_stem.", "bn1.", "blocks.0.", "blocks.1.", "blocks.2.")
    assert moved == {name for name in after if not name.startswith(kept)}
    assert network.training  # all else


def test_trainable_numbers_are_those_that_train(configure: Configure, tmp_path: Path) -> None:
    networks = [
        detector_of(settings_of(configure(tmp_path, *LITE0, "caan=none", f"adn.freeze={stages}")), fold=1)
        for stages in ("null", "5")
    ]
    whole, frozen = map(trainable, networks)
    head = networks[0].adn.network
    after = [head.get_submodule(name) for name in ("conv_head", "bn2", "classifier")]
    assert frozen == sum(parameter.numel() for module in after for parameter in module.parameters()) < whole


@pytest.mark.parametrize("stages", range(1, 6))
@pytest.mark.parametrize(
    ("make", "firsts"),
    [
        (lambda: resnet18(3, 64), [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)]),
        (
            lambda: vgg("vgg16", 3, 64),
            [
                ("features.0", "features.2"),
                ("features.5", "features.7"),
                ("features.10", "features.12", "features.14"),
                ("features.17", "features.19", "features.21"),
                ("features.24", "features.26", "features.28"),
            ],
        ),
        (
            lambda: timm_adn("test_resnet", 3, 64, points=["layer1", "layer2.0.conv1", "layer2", "layer3", "layer4"]),
            [("conv1", "bn1", "layer1"), ("layer2.0.conv1",), ("layer2",), ("layer3",), ("layer4",)],
        ),
    ],
    ids=["resnet18", "vgg16", "named points"],
)
def test_stages_end_at_the_points(make: Callable[[], Adn], firsts: list[tuple[str, ...]], stages: int) -> None:
    adn = copy.deepcopy(made(make))
    freeze(adn, stages, EXAMPLE)
    meant = tuple(f"{name}." for names in firsts[:stages] for name in names)
    kept = {name for name, parameter in adn.network.named_parameters() if not parameter.requires_grad}
    assert kept == {name for name, _ in adn.network.named_parameters() if name.startswith(meant)}


def test_their_batch_norm_stays_in_evaluation_mode() -> None:
    adn = timm_adn("test_resnet", 3, 64)
    freeze(adn, 2, EXAMPLE)
    modes = {
        name: module.training
        for name, module in adn.train().network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }
    assert not any(modes[name] for name in adn.kept) and adn.kept
    assert all(training for name, training in modes.items() if name not in adn.kept)
    assert not adn.eval().training and adn.train().training


def test_nothing_is_drawn_and_no_statistic_moves() -> None:
    adn = timm_adn("test_resnet", 3, 64, drop_rate=0.5)
    before = {name: value.clone() for name, value in adn.state_dict().items()}
    torch.manual_seed(5)
    freeze(adn, 3, EXAMPLE)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert all(torch.equal(value, before[name]) for name, value in adn.state_dict().items())


def test_a_network_without_features_at_the_point() -> None:
    adn = timm_adn("test_convnext", 3, 64)  # quarters the image at once
    there = [point for point, name in enumerate(adn.points, start=1) if name is not None]
    told = rf"^adn.freeze=1: the network has no features of S/2; choose adn.freeze={'.'.join(map(str, there))}$"
    with pytest.raises(LeanetError, match=told):
        freeze(adn, 1, EXAMPLE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("adn=resnet18",), r"^adn.freeze=2 keeps pretrained weights: give adn.weights=… as well$"),
        (("adn=resnet18", "adn.weights=none"), r"^adn.freeze=2 keeps pretrained weights"),
        (("adn=cnn",), r"^adn.freeze=2 keeps pretrained weights"),
        (("adn=frozen",), r"^adn.freeze=2: frozen trains no stages; leave it empty$"),
        (("adn=lab_statistics",), r"^adn.freeze=2: lab_statistics trains no stages; leave it empty$"),
    ],
)
def test_without_weights_or_epochs_it_is_refused(
    words: tuple[str, ...], told: str, configure: Configure, tmp_path: Path
) -> None:
    with pytest.raises(LeanetError, match=told):
        settings_of(configure(tmp_path, *words, "++adn.freeze=2"))
