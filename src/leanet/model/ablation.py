"""A finished run's test images asked again, with its attention replaced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leanet.detector.ablation import ablated
from leanet.detector.task import DetectorTask, probabilities
from leanet.errors import LeanetError
from leanet.experiment.fold import load_task
from leanet.model.find import Kept
from leanet.report.figures.pictures import FoldPictures, Gallery
from leanet.training.batches import Tensors
from leanet.training.device import device_of, name_of, precision_on

# By how much P(anomalous) may differ between what was written and what is computed again. Between CPUs only the order
# of sums differs, and with a GPU the choice of convolutions too. TF32 moved it by up to .001 on an H200.
CPU_TOLERANCE, FLOAT32_TOLERANCE, TF32_TOLERANCE = 1e-5, 5e-4, 5e-3


def tolerance_between(made_on: str | None, made_in: str | None, asked_on: torch.device) -> float:
    """The tolerance for probabilities that are computed again, perhaps on another device.

    Args:
        made_on: the device, as a result names it; None in results of older versions, which do not say so.
        made_in: the precision, as a result names it.
        asked_on: the device now.
    """
    if made_on == asked_on.type == "cpu":
        return CPU_TOLERANCE
    exact = made_on is not None and made_in == precision_on(asked_on, "32-true") == "float32"
    return FLOAT32_TOLERANCE if exact else TF32_TOLERANCE


@dataclass
class Ablator:
    """Finds the test images of finished runs as figures of them do, and keeps those of one dataset at a time.

    data, trust: as in `Gallery`.
    tolerance: by how much P(anomalous) may differ from predictions.csv while nothing is replaced; None: what fits the
        devices, see `tolerance_between`.
    """

    accelerator: str
    data: Path
    tolerance: float | None = None
    trust: bool = False
    _galleries: dict[Path, Gallery] = field(default_factory=dict)

    def ablated(self, kept: Kept, kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each kind f1, auroc and ap, and the `drops` of each from the run's own.

        Raises:
            LeanetError: images, maps or weights are gone, or do not give the probabilities that were written.
        """
        pictures = self._pictures(kept)
        if pictures.images.tiles is not None:
            raise LeanetError(f"{kept.folder}: its images are cut into tiles, whose attention is not replaced")
        task = load_task(pictures.run).to(device_of(self.accelerator))
        tensors = pictures.batch(range(len(pictures.predictions.labels)))
        self._check(kept, task, tensors, pictures)
        found = {kind: ablated(task, tensors, kind) for kind in kinds}
        return {
            kind: {**figures, "drops": {name: kept.result[name] - value for name, value in figures.items()}}
            for kind, figures in found.items()
        }

    def _pictures(self, kept: Kept) -> FoldPictures:
        home = kept.folder.parents[1]
        gallery = self._galleries.setdefault(home, Gallery(home, self.data, self.trust))
        return gallery.of(kept.folder)

    def _check(self, kept: Kept, task: DetectorTask, tensors: Tensors, pictures: FoldPictures) -> None:
        found = probabilities(task, tensors)["adn"].double().numpy()
        difference = float(np.abs(found - pictures.predictions.probabilities).max())
        made_on, made_in = (kept.result.get(name) for name in ("device", "precision"))
        allowed = self.tolerance or tolerance_between(made_on, made_in, task.device)
        if not difference <= allowed:  # nan as well
            raise LeanetError(
                f"{kept.folder}: its network gives other probabilities than its predictions.csv, by up to "
                f"{difference:.2g} (allowed is {allowed:g}; made on {made_on or 'an unknown device'} in "
                f"{made_in or 'an unknown precision'}, now on {name_of(task.device)}); give the accelerator= of the "
                "training, or a larger tolerance="
            )
