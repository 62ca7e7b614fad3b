"""What to know about the folds of a dataset before training: their classes, and images that look alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leanet.data.images import NEGATIVE, POSITIVE, ImageSet
from leanet.data.near_duplicates import near_duplicates

_MOST_IMAGES = 20_000  # of which all pairs are compared in about 10 s
_NAMED = 5  # pairs that the warning names
_told: set[tuple[str, bytes]] = set()


def tell_folds(images: ImageSet, fold_of: NDArray[np.int64], shows_balance: bool) -> None:
    """Print the classes of each fold, and pairs of images in different folds that look nearly alike.

    A process prints it once for the same images and folds, although a grid loads them for each of its runs.

    Args:
        images: all N images.
        fold_of: (N,) the fold of each image, from 1.
        shows_balance: whether to print the classes of each fold.
    """
    key = (images.index.fingerprint, fold_of.tobytes())
    if key in _told:
        return
    _told.add(key)
    if shows_balance:
        print("\n".join(balance_lines(images, fold_of)))
    if len(images.labels) <= _MOST_IMAGES:
        divided = [pair for pair in near_duplicates(images.images) if fold_of[pair[0]] != fold_of[pair[1]]]
        if divided:
            print(_warning(divided, images.index.names))


def balance_lines(images: ImageSet, fold_of: NDArray[np.int64]) -> list[str]:
    """A line for each fold: `fold 1: 20 normal, 5 anomalous images; 4 groups; kinds: crack 3, cut 2`."""
    lines, index = [], images.index
    for fold in range(1, int(fold_of.max()) + 1):
        rows = np.flatnonzero(fold_of == fold)
        counts = [int((images.labels[rows] == label).sum()) for label in (NEGATIVE, POSITIVE)]
        line = f"fold {fold}: {counts[0]} normal, {counts[1]} anomalous images"
        if index.groups:
            line += f"; {len({index.groups[row] for row in rows})} groups"
        if index.kinds:
            kinds = [index.kinds[row] for row in rows if images.labels[row] == POSITIVE]
            line += "; kinds: " + ", ".join(f"{kind or 'unknown'} {kinds.count(kind)}" for kind in sorted(set(kinds)))
        lines.append(line)
    return lines


def _warning(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> str:
    named = "; ".join(f"{names[first]!r} and {names[second]!r}" for first, second in pairs[:_NAMED])
    more = f"; and {len(pairs) - _NAMED} more pairs" if len(pairs) > _NAMED else ""
    plural = "pair of images in different folds looks" if len(pairs) == 1 else "pairs of images in different folds look"
    return (
        f"warning: {len(pairs)} {plural} nearly alike, so that scores may be too good: {named}{more}. Images of one "
        "plant, part or patient stay in one fold with dataset.groups (docs/groups-and-kinds.md)"
    )
