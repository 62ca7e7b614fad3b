"""A finished run's test images asked again, with its attention replaced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leanet.data.batches import Tensors
from leanet.detector.ablation import ablated
from leanet.detector.task import DetectorTask, probabilities
from leanet.device import device_of
from leanet.errors import LeanetError
from leanet.experiment import load_task
from leanet.model.find import Kept
from leanet.report.figures.pictures import FoldPictures, Gallery


@dataclass
class Ablator:
    """Finds the test images of finished runs as figures of them do, and keeps those of one dataset at a time.

    data, trust: as in `Gallery`.
    tolerance: by how much P(anomalous) may differ from predictions.csv while nothing is replaced.
    """

    accelerator: str
    tolerance: float
    data: Path
    trust: bool = False
    _galleries: dict[Path, Gallery] = field(default_factory=dict)

    def ablated(self, kept: Kept, kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each kind f1, auroc and ap, and the `drops` of each from the run's own.

        Raises:
            LeanetError: images, maps or weights are gone, or do not give the probabilities that were written.
        """
        pictures = self._pictures(kept)
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
        return gallery.of({**kept.result, "folder": str(kept.folder)})

    def _check(self, kept: Kept, task: DetectorTask, tensors: Tensors, pictures: FoldPictures) -> None:
        found = probabilities(task, tensors)["adn"].double().numpy()
        difference = float(np.abs(found - pictures.predictions.probabilities).max())
        if not difference <= self.tolerance:  # nan as well
            raise LeanetError(
                f"{kept.folder}: its network gives other probabilities than its predictions.csv (by up to "
                f"{difference:.2g}); if it was trained on another kind of device, give accelerator=cpu or gpu"
            )
