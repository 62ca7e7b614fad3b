"""Read the test images of a finished run from disk, with maps, attention, evidence and predictions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.config.allowed_targets import settings_in
from leanet.config.settings import Settings
from leanet.data.images import ImageSet
from leanet.detector.features import Features, attended_features
from leanet.detector.task import evidence_maps, images_at_once
from leanet.errors import LeanetError
from leanet.experiment.fold import load_task
from leanet.experiment.maps import recolored_of, whole
from leanet.experiment.split import split_of, tensors_of
from leanet.pictures.sheet import Panel
from leanet.report.predictions import Predictions
from leanet.report.selection import Selection
from leanet.runs.cell import Cell, Cells, load
from leanet.runs.run import Run, read_result
from leanet.storage.files import read_array
from leanet.storage.run_files import RESULT
from leanet.training.batches import Tensors, batches

ATTENTION = "attention.npy"  # (N, h, w) float16, rows as in predictions.csv; not in every run's folder
_BATCH = 16  # images that a network processes together


@dataclass(frozen=True)
class FoldPictures:
    """The test images of a finished run. Maps and networks are read when they are needed.

    Args:
        run: the run.
        predictions: its predictions; rows of all methods are those of the predictions.
        images: all images of the dataset.
        fold_of: (N,) the fold of each image.
    """

    run: Run
    predictions: Predictions
    images: ImageSet
    fold_of: NDArray[np.int64]

    def panels(self, rows: Sequence[int], details: bool = True) -> list[Panel]:
        """Images with, if the run has them, recoloured images and maps.

        Args:
            rows: of the images.
            details: whether to add attention and evidence, which may need the run's network.

        Raises:
            LeanetError: the run's maps, its colorizer or its checkpoint are gone.
        """
        has_colorizer, images = self.run.settings.has_colorizer, self.photographs(rows)
        difference = self.maps(rows) if self.run.settings.needs_maps else None
        colored = recolored_of(self.run, self.images, self._of_dataset(rows)) if has_colorizer else None
        attentions = self._attention(rows) if details and self.run.settings.has_attention else None
        evidence = self.evidence(rows) if details else None
        return [
            Panel(
                name=self.predictions.names[row],
                label=int(self.predictions.labels[row]),
                probability=float(self.predictions.probabilities[row]),
                image=images[place],
                recoloured=None if colored is None else colored[place],
                difference=None if difference is None else difference[place],
                attention=None if attentions is None else attentions[place],
                evidence=None if evidence is None else evidence[place],
                unit=self.run.settings.map.unit,
            )
            for place, row in enumerate(rows)
        ]

    def photographs(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """The images (B, 3, S, S), whole."""
        return self.images.images[self._of_dataset(rows)]

    def maps(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """The anomaly maps (B, h, w) of whole images, not scaled."""
        return self._whole(rows, self.batch(rows)["maps"])

    def evidence(self, rows: Sequence[int]) -> NDArray[np.float32] | None:
        """How much each position adds to the logit of anomalous.

        Args:
            rows: of B images.

        Returns:
            (B, h, w); None if the ADN is not a frozen network.

        Raises:
            LeanetError: the run's checkpoint is gone.
        """
        if self.run.settings.has_epochs:  # a trained network has no evidence map, so it need not be loaded
            return None
        task, tensors, found = load_task(self.run), self.batch(rows), []
        with torch.inference_mode():
            for batch in batches(tensors, images_at_once(tensors, _BATCH)):
                found.append(evidence_maps(task, batch))
        there = [each for each in found if each is not None]
        return self._whole(rows, torch.cat(there)) if there else None

    def features(self, rows: Sequence[int]) -> Features:
        """The ADN's features at the run's deepest point, before and after attention (Fig. 5)."""
        if self.images.tiles is not None:
            raise LeanetError(f"{self.run.folder}: its images are cut into tiles, and features are of whole images")
        return attended_features(load_task(self.run), self.batch(rows))

    def typical(self, label: int, count: int) -> list[int]:
        """Choose typical images of a class: evenly spaced in the ranking by the map's mean, without its ends.

        A single one is the median, so that maps look neither better nor worse than they are.

        Args:
            label: the class, 0 or 1.
            count: the number of rows; all are chosen if there are fewer.
        """
        rows = np.flatnonzero(self.predictions.labels == label)
        if self.run.settings.needs_maps:
            means = self._tensors["maps"].float().flatten(1).mean(1).numpy()
            rows = rows[np.argsort(means[rows], kind="stable")]
        count = min(count, len(rows))
        return [int(rows[(2 * place + 1) * len(rows) // (2 * count)]) for place in range(count)]

    def batch(self, rows: Sequence[int]) -> Tensors:
        """Images, labels and, if the run uses maps, maps with scales; as `tensors_of` returns them."""
        chosen = torch.tensor(rows, dtype=torch.long)
        return {name: values[chosen] for name, values in self._tensors.items()}

    @cached_property
    def _tensors(self) -> Tensors:
        """The tensors of all test images."""
        run = self.run
        if run.settings.makes_maps and not run.maps_file.exists():  # removed, perhaps by leanet.clean
            if not run.has_map_makers:  # `tensors_of` would train them
                raise LeanetError(f"{run.maps_file} is gone: remove {run.folder}, and do the run again")
            print(f"{run.maps_folder.name}: its maps were removed, and are made again")
        rows = split_of(run, self.images, self.fold_of)
        test = torch.from_numpy(rows.test)
        return {name: values[test] for name, values in tensors_of(run, self.images, rows).items()}

    def _of_dataset(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """The rows of test images in the dataset."""
        return np.flatnonzero(self.fold_of == self.run.fold)[list(rows)]

    def _whole(self, rows: Sequence[int], values: Tensor) -> NDArray[np.float32]:
        return whole(self.images, self._of_dataset(rows), values)

    def _attention(self, rows: Sequence[int]) -> NDArray[np.floating]:
        """The attention (B, h, w), from the run's file or else computed by its network."""
        kept = self.run.folder / ATTENTION
        if kept.exists():
            found: NDArray[np.floating] = read_array(kept)[list(rows)]
            return found.astype(np.float32)
        with torch.inference_mode():
            attention: Tensor = load_task(self.run)(self.batch(rows)).attention
        return self._whole(rows, attention)


@dataclass
class Gallery:
    """Finds the test images of finished runs. The images of one dataset are in memory at a time.

    Args:
        home: the folder of the runs (`paths.runs`).
        data: the folder of datasets on this machine (`paths.data`).
        trust: whether to run code named in a run's config.yaml that is not part of leanet.
    """

    home: Path
    data: Path
    trust: bool = False
    _cells: Cells = field(default_factory=Cells)
    _kept: tuple[str, ImageSet, NDArray[np.int64]] | None = None

    @classmethod
    def of_selection(cls, selection: Selection) -> "Gallery":
        """The gallery of a selection."""
        return cls(selection.home, selection.data, selection.trust)

    def of(self, folder: Path | str) -> FoldPictures:
        """The test images of a finished run.

        Args:
            folder: of the run.

        Raises:
            LeanetError: the run is not finished, or its images are gone or changed.
        """
        result = read_result(Path(folder) / RESULT)
        if result is None:
            raise LeanetError(f"{folder}: this run is not finished")
        settings = settings_in(Path(folder), self.trust, self.data)
        paths = replace(settings.paths, runs=str(self.home))
        cell = self._cell(replace(settings, fold=int(result["fold"]), paths=paths))
        [run] = cell.runs
        if run.id != result["run"]:
            root = settings.dataset.get("root")
            raise LeanetError(
                f"{settings.dataset_name}: the images in dataset.root={root} or their folds are no longer those of the "
                f"finished run {result['run']}"
            )
        return FoldPictures(run, Predictions.of(folder), *self._images(cell))

    def _cell(self, settings: Settings) -> Cell:
        try:
            return self._cells.of(settings)
        except LeanetError as error:
            raise LeanetError(f"{settings.dataset_name}: its images are needed for pictures of it; {error}") from None

    def _images(self, cell: Cell) -> tuple[ImageSet, NDArray[np.int64]]:
        settings = cell.settings
        cut = (settings.tiles, settings.tile_size, settings.tile_overlap)
        key = json.dumps([settings.dataset, settings.folds, settings.split_seed, cut], sort_keys=True)
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, *load(cell))
        return self._kept[1:]
