"""The whole method as one network: from RGB image to P(anomalous)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leanet.config.allowed_targets import settings_in
from leanet.config.settings import Settings
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.lea_net import LeaNet, Output, evidence
from leanet.detector.task import DetectorTask
from leanet.detector.tiles import in_parts, joined, pooled
from leanet.errors import LeanetError
from leanet.maps.load import load_maker
from leanet.maps.scaling import map_scales, mean_map
from leanet.model.find import kept_in
from leanet.storage.run_files import FEATURE_WEIGHTS, RESULT
from leanet.training.fit import load_weights


class Seen(NamedTuple):
    """The outputs of a pipeline for a batch of B images.

    Args:
        probability: (B,), P(anomalous) in 0…1.
        map: (B, 1, S, S), anomaly maps, in ΔE00 or as a distance of features; None if the detector needs none.
        attention: (B, 1, h, w), the A of 1 + A at the deepest point, in 0…1 as in the paper; None without attention.

    A pipeline for images that are cut into tiles sees the T tiles of one image: the probability is (1,), and maps and
    attention are those of the tiles.
    """

    probability: Tensor
    map: Tensor | None = None
    attention: Tensor | None = None


class Pipeline(nn.Module):
    """RGB image → anomaly map → LEA-Net → P(anomalous), as one module.

    Args:
        network: the trained detector.
        makers: map makers, sRGB in 0…1 (B, 3, S, S) → (B, 1, S, S); the maps of several are averaged. Empty if the
            detector needs no maps.
        divisor: the number that maps are divided by; None: each map by its own maximum.
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
        """Classify a batch.

        Args:
            images: (B, 3, S, S) uint8, sRGB, at the size that the detector was trained on; or (T, 3, S, S), the tiles
                of one image.
        """
        rgb = images / 255
        if not self.makers:
            return Seen(_probability(self._output(rgb, None).adn))
        maps = mean_map([torch.cat(in_parts(maker, rgb)).half() for maker in self.makers]).float()
        output = self._output(rgb, self._scaled(maps))
        return Seen(_probability(output.adn), maps, output.attention)

    def _output(self, rgb: Tensor, maps: Tensor | None) -> Output:
        output = joined(in_parts(self.network, rgb, maps))
        return output if self.network.pooling is None else pooled(self.network, output, 1)

    def evidence_map(self, images: Tensor, maps: Tensor | None) -> Tensor | None:
        """How much each position adds to the logit of anomalous, as `LeaNet.evidence_map`.

        Args:
            images: as for `forward`.
            maps: as `forward` returns them.

        Returns:
            (B, 1, h, w); None if the ADN is not a frozen network.
        """
        scaled = None if maps is None else self._scaled(maps)
        found = in_parts(self.network.evidence_map, images / 255, scaled)
        there = [part for part in found if part is not None]
        return torch.cat(there) if there else None

    def _scaled(self, maps: Tensor) -> Tensor:
        if self.network.pooling is not None:  # one scale for all tiles of an image
            return maps * map_scales(maps[None], self.divisor)
        return maps * map_scales(maps, self.divisor)[:, None, None, None]


class Ensemble(nn.Module):
    """The mean of the outputs of several pipelines with the same settings, such as the folds of a cell.

    Args:
        members: the pipelines.
    """

    def __init__(self, members: Sequence[Pipeline]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Seen:
        """Classify a batch, as `Pipeline.forward`."""
        probabilities, maps, attentions = zip(*(member(images) for member in self.members), strict=True)
        return Seen(torch.stack(probabilities).mean(dim=0), _mean(maps), _mean(attentions))


def pipeline_of(folder: Path, trust: bool = False) -> Pipeline:
    """Load the pipeline of a finished run or model.

    Args:
        folder: of the run or model.
        trust: whether to run networks of its config.yaml that are not part of leanet.

    Returns:
        the pipeline in evaluation mode, on the CPU.

    Raises:
        LeanetError: the run is not finished, its colorizer or the scale of its maps is missing, or its files were not
            written by leanet.
    """
    kept = kept_in(folder)
    settings = settings_in(folder, trust)
    if "map_divisor" not in kept.result:
        raise LeanetError(
            f"{folder}: made before runs kept the scale of their maps; remove {RESULT} there and give the training "
            "command again: it resumes from the last checkpoint, in seconds"
        )
    return assembled(settings, kept.result["fold"], folder, kept.colorizers, kept.result["map_divisor"])


def assembled(
    settings: Settings, fold: int, detector: Path, colorizers: Sequence[Path], divisor: float | None
) -> Pipeline:
    """Build a pipeline from trained networks.

    Args:
        settings: of the training.
        fold: of the training.
        detector: the folder of the detector's checkpoint.
        colorizers: the folders of the map makers; empty if leanet made no maps.
        divisor: `map_divisor` in the run's result.

    Returns:
        the pipeline in evaluation mode, on the CPU.

    Raises:
        LeanetError: weights that are gone or do not fit, or maps that were read from a folder.
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
    """Load a map maker; LeanetError if it is gone."""
    maker = load_maker(folder, settings)
    if maker is None:
        gone = FEATURE_WEIGHTS if settings.map.is_of_features else "colorizer"
        raise LeanetError(
            f"{folder}: its {gone} is gone; remove that folder and {detector / RESULT}, and give the training command "
            "again"
        )
    return maker


def ensemble_of(folders: Sequence[Path], trust: bool = False) -> Ensemble:
    """Load an ensemble of finished runs, in evaluation mode on the CPU. Errors as for `pipeline_of`.

    Args:
        folders: of the runs.
        trust: as for `pipeline_of`.
    """
    return Ensemble([pipeline_of(folder, trust) for folder in folders]).eval()


def _probability(logits: Tensor) -> Tensor:
    return torch.sigmoid(evidence(logits))


def _mean(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.stack(there).mean(dim=0) if there else None
