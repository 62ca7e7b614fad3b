"""The whole way from an RGB image to an answer, as one network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leanet.config.allowed_targets import settings_in
from leanet.config.settings import Settings
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.lea_net import LeaNet, evidence
from leanet.detector.task import DetectorTask
from leanet.errors import LeanetError
from leanet.maps.load import load_maker
from leanet.maps.scaling import map_scales, mean_map
from leanet.model.find import kept_in
from leanet.storage.run_files import FEATURE_WEIGHTS, RESULT
from leanet.training.fit import load_weights


class Seen(NamedTuple):
    """What is found in a batch of B images.

    Args:
        probability: (B,), P(anomalous) in 0…1.
        map: (B, 1, S, S), the anomaly map in its own unit, ΔE00 or a distance of features; None where the detector
            needs no map.
        attention: (B, 1, h, w), what is added to one at the detector's point, in 0…1 as in the paper; None without
            attention.
    """

    probability: Tensor
    map: Tensor | None = None
    attention: Tensor | None = None


class Pipeline(nn.Module):
    """RGB → anomaly map → LEA-Net → P(anomalous): what a run does, without its files.

    Args:
        network: the trained detector.
        makers: what makes the detector's maps, sRGB in 0…1 (B, 3, S, S) → (B, 1, S, S); of several it gets their mean.
            None where it needs no maps.
        divisor: what maps are divided by before the detector sees them; None: each by its own maximum.
    """

    def __init__(
        self,
        network: LeaNet,
        makers: Sequence[nn.Module] = (),
        divisor: float | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.makers = nn.ModuleList(makers)
        self.divisor = divisor

    def forward(self, images: Tensor) -> Seen:
        """images: (B, 3, S, S) uint8, sRGB, of the size that the detector was trained on."""
        rgb = images / 255
        if not self.makers:
            return Seen(_probability(self.network(rgb).adn))
        maps = mean_map([maker(rgb).half() for maker in self.makers]).float()
        output = self.network(rgb, self._scaled(maps))
        return Seen(_probability(output.adn), maps, output.attention)

    def evidence_map(self, images: Tensor, maps: Tensor | None) -> Tensor | None:
        """As `LeaNet` has it; images and maps as `forward` takes and gives them."""
        scaled = None if maps is None else self._scaled(maps)
        return self.network.evidence_map(images / 255, scaled)

    def _scaled(self, maps: Tensor) -> Tensor:
        return maps * map_scales(maps, self.divisor)[:, None, None, None]


class Ensemble(nn.Module):
    """Several pipelines of one kind, such as the folds of a cell, as one: the mean of all that they see."""

    def __init__(self, members: Sequence[Pipeline]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Seen:
        """As `Pipeline`."""
        probabilities, maps, attentions = zip(*(member(images) for member in self.members), strict=True)
        return Seen(torch.stack(probabilities).mean(dim=0), _mean(maps), _mean(attentions))


def pipeline_of(folder: Path, trust: bool = False) -> Pipeline:
    """The pipeline of the finished run or model in `folder`, in evaluation mode, on the CPU.

    Args:
        trust: whether its networks may be any code that its config.yaml names, and not leanet's own alone.

    Raises:
        LeanetError: the run is not done, lacks what new images need (its colorizer, the scale of its maps), or is not
            what leanet writes.
    """
    kept = kept_in(folder)
    settings = settings_in(folder, trust)
    if "map_divisor" not in kept.result:
        raise LeanetError(
            f"{folder}: made before runs kept the scale of their maps; remove {RESULT} there and give the training "
            "command again: it goes on from the last checkpoint, in seconds"
        )
    return assembled(settings, kept.result["fold"], folder, kept.colorizers, kept.result["map_divisor"])


def assembled(
    settings: Settings, fold: int, detector: Path, colorizers: Sequence[Path], divisor: float | None
) -> Pipeline:
    """The pipeline of trained networks, in evaluation mode, on the CPU.

    Args:
        settings: those of the training.
        fold: the fold that trained them.
        detector: the folder of the detector's checkpoint.
        colorizers: the folders of the weights of what makes the maps; none where the detector needs no maps made here.
        divisor: as `map_divisor` in the run's result.

    Raises:
        LeanetError: weights that are gone or do not fit, or maps that come from elsewhere.
    """
    with without_weights():
        task = DetectorTask(detector_of(settings, fold), settings.adn.lr)
    load_weights(detector, task)
    if not colorizers:
        if settings.needs_maps:
            raise LeanetError(
                f"{detector}: its maps come from map.root={settings.map.root}, and new images have none there; "
                "train with maps that are made here, map=ciede2000"
            )
        return Pipeline(task.network).eval()
    return Pipeline(task.network, [_maker(folder, settings, detector) for folder in colorizers], divisor).eval()


def _maker(folder: Path, settings: Settings, detector: Path) -> nn.Module:
    """The map maker kept in `folder`."""
    maker = load_maker(folder, settings)
    if maker is None:
        gone = FEATURE_WEIGHTS if settings.map.is_of_features else "colorizer"
        raise LeanetError(
            f"{folder}: its {gone} is gone; remove that folder and {detector / RESULT}, and give the training command "
            "again"
        )
    return maker


def ensemble_of(folders: Sequence[Path], trust: bool = False) -> Ensemble:
    """The finished runs in `folders` as one, in evaluation mode, on the CPU; as `pipeline_of`."""
    return Ensemble([pipeline_of(folder, trust) for folder in folders]).eval()


def _probability(logits: Tensor) -> Tensor:
    return torch.sigmoid(evidence(logits))


def _mean(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.stack(there).mean(dim=0) if there else None
