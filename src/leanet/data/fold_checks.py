"""Checks of folds: enough images and groups, both classes in each fold, and no unit divided."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leanet.data.images import CLASSES
from leanet.errors import LeanetError


def check_counts(labels: NDArray[np.int64], folds: int) -> None:
    """Raise LeanetError if a class has fewer images than folds. Quick, so that it can be called before decoding."""
    check_split({label: int((labels == label).sum()) for label in CLASSES}, folds, "")


def check_groups(labels: NDArray[np.int64], units: Sequence[str], folds: int) -> None:
    """Raise LeanetError if fewer groups than folds have images of a class."""
    check_counts(labels, folds)
    counts = {label: len({units[row] for row in np.flatnonzero(labels == label).tolist()}) for label in CLASSES}
    most = min(counts.values())
    for label, count in counts.items():
        if count < folds:
            remedy = f"use folds={most} or fewer" if most > 1 else "at least 2 for each class are needed"
            raise LeanetError(
                f"{count} group{'' if count == 1 else 's'} with {CLASSES[label]} images cannot be split into {folds} "
                f"folds; {remedy}"
            )


def check_folds(where: str, fold_of: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
    """Raise LeanetError unless the folds are 1…K with K > 1, and each has images of both classes."""
    folds = np.unique(fold_of).tolist()
    if folds != list(range(1, len(folds) + 1)) or len(folds) < 2:
        raise LeanetError(f"{where}: the folds are {', '.join(map(str, folds))}; number them 1, 2, ... without gaps")
    for fold in folds:
        for label, name in CLASSES.items():
            if not (labels[fold_of == fold] == label).any():
                raise LeanetError(f"{where}: fold {fold} has no {name} image; every fold needs both classes")


def check_separation(fold_of: NDArray[np.int64], units: Sequence[str], names: Sequence[str], why: str) -> None:
    """Raise LeanetError if a unit is divided: a model would be tested on what it was trained on.

    Args:
        fold_of: (N,).
        units: N digests of pixels, or units.
        names: N names, for the message.
        why: what two images of one unit have in common.
    """
    first: dict[str, int] = {}
    for position, unit in enumerate(units):
        other = first.setdefault(unit, position)
        if fold_of[other] != fold_of[position]:
            raise LeanetError(
                f"{names[other]!r} (fold {fold_of[other]}) and {names[position]!r} (fold {fold_of[position]}) {why}: "
                "put both into one fold"
            )


def check_split(counts: dict[int, int], folds: int, which: str) -> None:
    """Raise LeanetError unless there are enough images of each class for the folds.

    Args:
        counts: the number of images of each class.
        folds: K.
        which: of which images, for the message.
    """
    if folds < 2:
        raise LeanetError(f"folds={folds}: cross-validation needs folds=2 or more")
    for label, count in counts.items():
        if count < folds:
            most = min(counts.values())
            remedy = f"use folds={most} or fewer" if most > 1 else "at least 2 of each class are needed"
            plural = "" if count == 1 else "s"
            raise LeanetError(
                f"{count} {which}{CLASSES[label]} image{plural} cannot be split into {folds} folds; {remedy}"
            )
