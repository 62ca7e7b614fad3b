"""Load a trained model, and predict images with it from Python."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leanet.config.allowed_targets import settings_in
from leanet.config.path_options import expanded
from leanet.data.arrays import Picture, as_image
from leanet.detector.shallow import ShallowFeatures
from leanet.model.calibration import at_temperature
from leanet.model.decision import Decision, DecisionRule, decide
from leanet.model.find import FoundModel, find
from leanet.model.pipeline import Seen, pipeline_of
from leanet.model.reference import reference_of
from leanet.model.stream import BATCH
from leanet.model.view import View, grid_of
from leanet.training.device import device_of

T = TypeVar("T", bound=np.floating)


class Look(NamedTuple):
    """The outputs of F folds' networks for a batch of B images. Maps are means over the folds.

    Args:
        per_fold: (B, F) float64, P(anomalous) by each fold, calibrated if the model is.
        maps: (B, S, S) float32, anomaly maps, in ΔE00 or the unit of features; None if the model needs none.
        attention: (B, h, w) float32, the A of 1 + A, in 0…1 as in the paper; None without attention.
        evidence: (B, h, w) float32, how much each position adds to the logit of anomalous, without calibration; None if
            the ADN is not a frozen network.
        distances: (B,) float64, from the training images; None if it is not a model, or one of an older version.

    Without `details`, maps, attention and evidence are None.
    """

    per_fold: NDArray[np.float64]
    maps: NDArray[np.float32] | None = None
    attention: NDArray[np.float32] | None = None
    evidence: NDArray[np.float32] | None = None
    distances: NDArray[np.float64] | None = None

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(B,) float64, P(anomalous), the mean over the folds."""
        mean: NDArray[np.float64] = self.per_fold.mean(axis=1)
        return mean


@dataclass(frozen=True)
class Predictions:
    """The predictions of a model with F folds for N images.

    Args:
        probabilities: (N,) float64, P(anomalous), the mean over the folds.
        per_fold: (N, F) float64, P(anomalous) by each fold's network.
        decisions: (N,) bool, whether an image is called anomalous.
        maps: (N, S, S) float32, anomaly maps, in ΔE00 or the unit of features; None if the model needs none. A model
            that cuts images into tiles puts their maps together to maps of 1024 × 1024.
        attention: (N, h, w) float32, the A of 1 + A, in 0…1 as in the paper; None without attention.
        evidence: (N, h, w) float32, how much each position adds to the logit of anomalous; None if the ADN is not a
            frozen network.
        distances: (N,) float64, from the training images, about 1 for images like these; None if it is not a model that
            `leanet.fit` made, or one of an older version.
        distance_quantiles: (N,) float64, the share of the training images with a smaller distance, 0…1; or None.

    Without `details`, maps, attention and evidence are None.
    """

    probabilities: NDArray[np.float64]
    per_fold: NDArray[np.float64]
    decisions: NDArray[np.bool_]
    maps: NDArray[np.float32] | None = None
    attention: NDArray[np.float32] | None = None
    evidence: NDArray[np.float32] | None = None
    distances: NDArray[np.float64] | None = None
    distance_quantiles: NDArray[np.float64] | None = None


class Model:
    """A run, a fitted model, or the averaged folds of a cell, ready to predict. Several threads can use it.

    Attributes:
        found: the run, model or cell, with its folders.
        decision: its threshold, and its temperature if it is calibrated.
        image_size: S, to which images are resized.
        fit: how images that are not square become square, as for `leanet.data.resize.resized`.
        grid: of the tiles into which images are cut; None if they are not.
        reference: of its training images; None if it has none.
    """

    def __init__(self, found: FoundModel, decision: Decision, accelerator: str = "auto", trust: bool = False) -> None:
        """Load the networks.

        Args:
            found: as `find` returns it.
            decision: as `decide` returns it.
            accelerator: as for `load`.
            trust: as for `load`.

        Raises:
            LeanetError: as for `load`.
        """
        self.found = found
        self.decision = decision
        self.image_size = int(found.members[0].result["image_size"])
        self.fit = settings_in(found.members[0].folder, trust).fit
        self.grid = grid_of(found)
        self._device = device_of(accelerator)
        self._members = [pipeline_of(member.folder, trust).to(self._device) for member in found.members]
        self.reference = reference_of(found)
        self._shallow = None if self.reference is None else ShallowFeatures(self._members[0].network.adn)

    @property
    def folds(self) -> list[int]:
        """The folds of its networks; [0] for a model that was trained on all images."""
        return [int(member.result["fold"]) for member in self.found.members]

    @torch.inference_mode()
    def look(self, views: Sequence[View], details: bool = False) -> Look:
        """Predict one batch of B images.

        Args:
            views: of the images, as `view` returns them.
            details: whether to return maps, attention and evidence too.
        """
        if self.grid is None:
            whole = torch.from_numpy(np.stack([view.whole for view in views])).to(self._device)
            return self._looked(whole, *self._seen(whole), details)
        return _together([self._look_at_tiles(view, details) for view in views])

    def _look_at_tiles(self, view: View, details: bool) -> Look:
        tiles, whole = (torch.from_numpy(pixels).to(self._device) for pixels in (view.tiles, view.whole[None]))
        # The distance is that of the whole image: it tells another light or camera.
        distances = None if self.reference is None else self._seen(whole)[1]
        look = self._looked(tiles, [member(tiles) for member in self._members], distances, details)
        maps, attention, evidence = (view.stitched(part) for part in (look.maps, look.attention, look.evidence))
        return Look(look.per_fold, maps, attention, evidence, distances)

    def _looked(self, batch: Tensor, seen: list[Seen], distances: NDArray[np.float64] | None, details: bool) -> Look:
        answers = torch.stack([member.probability for member in seen], dim=1).double().cpu().numpy()
        per_fold = at_temperature(answers, self.decision.temperature)
        if not details:
            return Look(per_fold, distances=distances)
        pairs = zip(self._members, seen, strict=True)
        evidence = _mean([member.evidence_map(batch, found.map) for member, found in pairs])
        maps, attention = _mean([member.map for member in seen]), _mean([member.attention for member in seen])
        return Look(per_fold, maps, attention, evidence, distances)

    def _seen(self, batch: Tensor) -> tuple[list[Seen], NDArray[np.float64] | None]:
        """The outputs of all networks; and the distances (B,) of a model with a reference, from the same pass."""
        if self.reference is None or self._shallow is None:
            return [member(batch) for member in self._members], None
        with self._shallow.open() as features:
            seen = [member(batch) for member in self._members]
        return seen, self.reference.distances_of(self._shallow.of(batch, features).cpu().numpy())

    def predict(self, images: Picture | Sequence[Picture], details: bool = False) -> Predictions:
        """Predict one image or several.

        Args:
            images: a file, a PIL image, an sRGB array (H, W, 3) uint8, or an sRGB tensor (3, H, W), uint8 or in 0…1;
                of any size; or a sequence of them, also as one array (N, H, W, 3) or tensor (N, 3, H, W).
            details: whether to return maps, attention and evidence too.

        Raises:
            UnreadableError: a file that cannot be read as an image; a LeanetError.
            ValueError: no images, or an array or a tensor of another shape, dtype or range.
        """
        if isinstance(images, str | PathLike | Image.Image) or (
            isinstance(images, np.ndarray | Tensor) and images.ndim < 4
        ):
            images = [images]
        if len(images) == 0:
            raise ValueError("there are no images to predict")
        looks = []
        for start in range(0, len(images), BATCH):
            looks.append(self.look([self.view(as_image(image)) for image in images[start : start + BATCH]], details))
        look = _together(looks)
        decisions, far = look.probabilities > self.decision.threshold.value, look.distances
        quantiles = None if self.reference is None or far is None else self.reference.quantiles_of(far)
        maps = (look.maps, look.attention, look.evidence)
        return Predictions(look.probabilities, look.per_fold, decisions, *maps, far, quantiles)

    def view(self, image: Image.Image) -> View:
        """What the model sees of an image of mode RGB, as `View.of`."""
        return View.of(image, self.image_size, self.fit, self.grid)


def load(
    run: str | PathLike[str],
    runs: str | PathLike[str] | None = None,
    *,
    threshold: float | str = 0.5,
    recall: float = 0.95,
    false_alarm: float = 1.0,
    miss: float = 1.0,
    calibrated: bool = False,
    accelerator: str = "auto",
    trust: bool = False,
) -> Model:
    """Load a finished run, a fitted model, or all finished folds of a cell.

    >>> import leanet
    >>> model = leanet.load("leaves-resnet18+mobilenet-point4", threshold="f1")
    >>> found = model.predict(["new/one.png", "new/two.png"], details=True)
    >>> found.probabilities.shape, found.decisions.dtype, found.maps.shape
    ((2,), dtype('bool'), (2, 32, 32))

    Args:
        run: a run's or model's folder, name or hash; or a cell's hash, for all its finished folds together.
        runs: the folder to look in (`paths.runs`); None: `LEANET_RUNS`, or `runs` where that is not set.
        threshold: the probability above which an image is called anomalous; or `f1`, `recall` or `cost`, rules that
            choose it on the validation images, which were held out with `validation=0.2`.
        recall: for `threshold="recall"`, the share of anomalous images to find, 0…1.
        false_alarm: for `threshold="cost"`, the cost of a false alarm.
        miss: for `threshold="cost"`, the cost of a miss.
        calibrated: whether to divide logits by a temperature that is fitted on the validation images.
        accelerator: `auto`, `cpu`, `gpu` or `mps`.
        trust: whether to run networks that are not part of leanet.

    Raises:
        LeanetError: no such run, a run that is not finished, no validation images for `threshold` or `calibrated`, or
            networks that are not part of leanet.
    """
    home = expanded("runs", str(runs or os.environ.get("LEANET_RUNS", "runs")))
    found = find(str(run), Path(home))
    threshold = threshold if isinstance(threshold, str) else float(threshold)  # NumPy's numbers too
    rule = DecisionRule(threshold, recall, false_alarm, miss, calibrated)
    return Model(found, decide(rule, found), accelerator, trust)


def _mean(parts: Sequence[Tensor | None]) -> NDArray[np.float32] | None:
    there = [part for part in parts if part is not None]
    return torch.stack(there).mean(dim=0)[:, 0].float().cpu().numpy() if there else None


def _together(looks: Sequence[Look]) -> Look:
    """One look from those of consecutive images, of which all have the same parts."""
    return Look(
        np.concatenate([look.per_fold for look in looks]),
        _joined([look.maps for look in looks]),
        _joined([look.attention for look in looks]),
        _joined([look.evidence for look in looks]),
        _joined([look.distances for look in looks]),
    )


def _joined(parts: Sequence[NDArray[T] | None]) -> NDArray[T] | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None
