"""Predictions of validation images, on which thresholds are chosen and temperatures fitted."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leanet.errors import LeanetError
from leanet.storage.files import damaged

FILE = "validation.csv"


@dataclass(frozen=True)
class Validation:
    """N predictions of validation images, by one network or pooled from several folds.

    Args:
        probabilities: (N,) float64, P(anomalous).
        labels: (N,) int64, 0 normal and 1 anomalous.
        images: N hashes of the images; an image may occur once for each fold.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    images: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def validation_of(folders: Sequence[Path], purpose: str) -> Validation:
    """Read and pool the validation predictions of runs.

    Args:
        folders: of the runs.
        purpose: the setting that needs them, for messages.

    Raises:
        LeanetError: a run without validation images, images of only one class, or a damaged file.
    """
    rows = [row for folder in folders for row in _rows(folder, purpose)]
    images, labels, probabilities = zip(*rows, strict=True)
    found = Validation(np.array(probabilities, np.float64), np.array(labels, np.int64), tuple(images))
    if not (found.labels == 0).any() or not (found.labels == 1).any():
        raise LeanetError(f"{purpose}: the validation images are all of one class")
    return found


def _rows(folder: Path, purpose: str) -> list[tuple[str, int, float]]:
    file = folder / FILE
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [(row["sha256"], int(row["label"]), float(row["adn"])) for row in csv.DictReader(lines)]
    except FileNotFoundError:
        rows = []
    except (ValueError, KeyError, TypeError, csv.Error):
        raise damaged(file) from None
    if any(label not in (0, 1) or not 0 <= probability <= 1 for _, label, probability in rows):
        raise damaged(file)
    if not rows:
        raise LeanetError(
            f"{purpose} needs images that were held out, and {folder.name} held out none; train it with validation=0.2"
        )
    return rows
