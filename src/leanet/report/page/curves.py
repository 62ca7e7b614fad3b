"""The curves of a cell: losses by epoch, ROC and precision-recall, as short lists for the page's script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from leanet.data.images import POSITIVE, THRESHOLD
from leanet.errors import LeanetError
from leanet.report.csv_files import read_curves
from leanet.report.figures.series import Numbers, by_name
from leanet.report.predictions import Predictions
from leanet.report.results import leave_out

MOST_POINTS = 100  # of a curve; of more, evenly spaced ones are kept

Curve = list[list[int]]  # x and y of its points, in thousandths


def losses(folders: Sequence[str]) -> dict[str, list[float]]:
    """Losses by epoch, averaged over the folds with the largest number of epochs.

    Args:
        folders: of a cell's runs.
    """
    columns: dict[str, list[Numbers]] = {}
    for folder in folders:
        try:
            curves = by_name(read_curves(Path(folder)))
        except LeanetError as error:
            leave_out(error)
            continue
        for name, values in curves.items():
            if name.endswith("loss"):
                columns.setdefault(name, []).append(values)
    found = {}
    for name, several in columns.items():
        longest = max(map(len, several))
        whole = [values for values in several if len(values) == longest]
        found[name] = [float(f"{fmean(of_epoch):.4g}") for of_epoch in zip(*whole, strict=True)]
    return found


def confusion(predictions: Predictions) -> list[int]:
    """Numbers of true negatives, false positives, false negatives and true positives above `THRESHOLD`."""
    truth, called = predictions.labels == POSITIVE, predictions.probabilities > THRESHOLD
    return [int(((truth == label) & (called == answer)).sum()) for label in (False, True) for answer in (False, True)]


def roc(predictions: Predictions) -> Curve | None:
    """The corners of the ROC curve, from (0, 0) to (1, 1); None if a class has no images."""
    found = _counts(predictions)
    return None if found is None else _short(_corners(np.column_stack(found)) / [max(found[0]), max(found[1])])


def precision_recall(predictions: Predictions) -> Curve | None:
    """The steps of the precision-recall curve, whose area is the average precision; None if a class has no images.

    Returns:
        recall and precision of each step. Precision is that of the step's right end, and holds from the step before.
    """
    found = _counts(predictions)
    if found is None:
        return None
    false, true = found
    steps = np.flatnonzero(np.diff(true)) + 1  # false positives alone do not move the recall
    return _short(np.column_stack([true[steps] / true[-1], true[steps] / (true[steps] + false[steps])]))


def _counts(predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """False and true positives above every threshold, from the highest, which has none; None if a class is missing."""
    order = np.argsort(-predictions.probabilities, kind="stable")
    truth, chances = predictions.labels[order] == POSITIVE, predictions.probabilities[order]
    if truth.all() or not truth.any():
        return None
    ends = np.append(np.flatnonzero(np.diff(chances)), len(chances) - 1)  # equal probabilities share a threshold
    true = np.concatenate([[0], np.cumsum(truth)[ends]])
    return np.concatenate([[0], ends + 1]) - true, true


def _corners(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out points on the straight line between their neighbours."""
    steps = np.diff(points, axis=0)
    before, after = steps[:-1], steps[1:]
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    corners: NDArray[np.int64] = points[np.concatenate([[True], turns, [True]])]
    return corners


def _short(points: NDArray[np.float64]) -> Curve:
    kept = np.unique(np.rint(np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS))).astype(int))
    found: Curve = np.rint(1000 * points[kept]).astype(int).T.tolist()
    return found
