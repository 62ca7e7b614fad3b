"""The whole way from an RGB image to an answer, as one network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leanet.color import rgb_to_lab
from leanet.colorizer.maps import DIFFERENCES, load_colorizer, map_scales, mean_map
from leanet.colorizer.network import Colorizer
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.network import LeaNet, evidence
from leanet.detector.task import DetectorTask
from leanet.errors import LeanetError
from leanet.fitting import load_weights
from leanet.model.find import kept_in
from leanet.model.trust import settings_in
from leanet.runs import RESULT
from leanet.settings import Settings


class Seen(NamedTuple):
    """What is found in a batch of B images.

    Args:
        probability: (B,), P(anomalous) in 0…1.
        map: (B, 1, S, S), the anomaly map in its own unit, ΔE00; None where the detector needs no map.
        attention: (B, 1, h, w), what is added to one at the detector's point, in 0…1 as in the paper; None without
            attention.
    """

    probability: Tensor
    map: Tensor | None = None
    attention: Tensor | None = None


class Pipeline(nn.Module):
    """RGB → L*a*b* → recoloured → anomaly map → LEA-Net → P(anomalous): what a run does, without its files.

    Args:
        network: the trained detector.
        colorizers: that of the detector's maps, or several, of whose maps it gets the mean; none where it needs none.
        difference: L*a*b* of original and recoloured image, (B, 3, S, S) each → (B, 1, S, S).
        divisor: what maps are divided by before the detector sees them; None: each by its own maximum.
    """

    def __init__(
        self,
        network: LeaNet,
        colorizers: Sequence[Colorizer] = (),
        difference: Callable[[Tensor, Tensor], Tensor] = DIFFERENCES["ciede2000"],
        divisor: float | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.colorizers = nn.ModuleList(colorizers)
        self.difference = difference
        self.divisor = divisor

    def forward(self, images: Tensor) -> Seen:
        """images: (B, 3, S, S) uint8, sRGB, of the size that the detector was trained on."""
        rgb = images / 255
        if not self.colorizers:
            return Seen(_probability(self.network(rgb).adn))
        lab = rgb_to_lab(rgb)
        each = [self.difference(lab, one.recolored(lab)).half() for one in self.colorizers]  # type: ignore[operator]
        maps = mean_map(each).float()
        output = self.network(rgb, maps * map_scales(maps, self.divisor)[:, None, None, None])
        return Seen(_probability(output.adn), maps, output.attention)


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
        colorizers: the folders of the colorizers' weights; none where the detector needs no maps made here.
        divisor: as `map_divisor` in the run's result.

    Raises:
        LeanetError: weights that are gone or do not fit, or maps that come from elsewhere.
    """
    with without_weights():
        task = DetectorTask(detector_of(settings, fold), settings.adn.lr)
    load_weights(detector, task)
    if not colorizers:
        if settings.caan.network is not None or settings.input.name != "rgb":
            raise LeanetError(
                f"{detector}: its maps come from map.root={settings.map.root}, and new images have none there; "
                "train with maps that are made here, map=ciede2000"
            )
        return Pipeline(task.network).eval()
    networks = [_colorizer(folder, settings, detector) for folder in colorizers]
    return Pipeline(task.network, networks, DIFFERENCES[settings.map.name], divisor).eval()


def _colorizer(folder: Path, settings: Settings, detector: Path) -> Colorizer:
    network = load_colorizer(folder, settings.colorizer, settings.image_size)
    if network is None:
        raise LeanetError(
            f"{folder}: its colorizer is gone; remove that folder and {detector / RESULT}, and give the training "
            "command again"
        )
    return network


def ensemble_of(folders: Sequence[Path], trust: bool = False) -> Ensemble:
    """The finished runs in `folders` as one, in evaluation mode, on the CPU; as `pipeline_of`."""
    return Ensemble([pipeline_of(folder, trust) for folder in folders]).eval()


def _probability(logits: Tensor) -> Tensor:
    return torch.sigmoid(evidence(logits))


def _mean(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.stack(there).mean(dim=0) if there else None
