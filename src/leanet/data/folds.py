"""Divide images into folds and other parts by their content, with images of one unit in one part.

A **unit** is a set of images that are never divided: those with equal pixels, and those of one group, such as a plant
(`leanet.data.units`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leanet.data.fold_checks import check_counts, check_folds, check_groups, check_split
from leanet.data.images import CLASSES, NEGATIVE, POSITIVE
from leanet.errors import LeanetError


def stratified_folds(
    labels: NDArray[np.int64], pixels: Sequence[str], folds: int, split_seed: int
) -> NDArray[np.int64]:
    """Assign a fold to every image, stratified by class, independently of machine, file names and order of files.

    Images with equal pixels are not divided; their class is that of most of them (positive in a tie). The units of a
    class are sorted by size, largest first, then by a hash of seed and pixels. Each is assigned
    to the fold that has the fewest images of that class so far (in a tie, the fewest images in total, then the lowest
    number). No random generator is used, so that no library version can change a split.

    Args:
        labels: (N,), 0 normal and 1 anomalous.
        pixels: N digests of the decoded pixels.
        folds: K.
        split_seed: of the hash.

    Returns:
        (N,) of 1…K; every fold has images of both classes.

    Raises:
        LeanetError: fewer than 2 folds, or fewer different images of a class than folds.
    """
    check_counts(labels, folds)
    units = _members(pixels)
    classes: dict[int, list[str]] = {label: [] for label in CLASSES}
    for digest, members in units.items():
        classes[POSITIVE if 2 * labels[members].sum() >= len(members) else NEGATIVE].append(digest)
    check_split({label: len(digests) for label, digests in classes.items()}, folds, "different ")

    dealt = [[0, 0] for _ in range(folds)]  # images so far of each fold, by label
    fold_of = np.zeros(len(labels), dtype=np.int64)
    for label, digests in classes.items():
        for digest in sorted(digests, key=lambda digest: (-len(units[digest]), _rank(split_seed, digest))):
            fold = min(range(folds), key=lambda fold: (dealt[fold][label], sum(dealt[fold]), fold))
            for position in units[digest]:
                dealt[fold][labels[position]] += 1
                fold_of[position] = fold + 1
    return fold_of


def grouped_folds(labels: NDArray[np.int64], units: Sequence[str], folds: int, split_seed: int) -> NDArray[np.int64]:
    """Assign a fold to every image, with each unit in one fold, and stratified by class as far as units allow.

    Units are sorted by their size, largest first, where an image counts as one n-th of the n images of its class; then
    by a hash of seed and unit. Each is assigned to the fold that has the fewest images of the unit's classes so far,
    counted in the same way and weighted by the unit's images of each class. As for `stratified_folds`, the folds do not
    depend on machine, file names, order of files or any library.

    Args:
        labels: (N,), 0 normal and 1 anomalous.
        units: N units, as `units_of` returns them.
        folds: K.
        split_seed: of the hash.

    Returns:
        (N,) of 1…K; every fold has images of both classes.

    Raises:
        LeanetError: fewer than 2 folds, or too few groups with images of a class.
    """
    check_groups(labels, units, folds)
    members = _members(units)
    total = [int((labels == label).sum()) for label in CLASSES]
    weights = [total[1] ** 2, total[0] ** 2]  # 1/n² of each class, as whole numbers
    counts = {unit: [int((labels[rows] == label).sum()) for label in CLASSES] for unit, rows in members.items()}

    def product(first: Sequence[int], second: Sequence[int]) -> int:
        return sum(weight * a * b for weight, a, b in zip(weights, first, second, strict=True))

    dealt = [[0, 0] for _ in range(folds)]
    fold_of = np.zeros(len(labels), dtype=np.int64)
    for unit in sorted(counts, key=lambda unit: (-product(counts[unit], counts[unit]), _rank(split_seed, unit))):
        fold = min(range(folds), key=lambda fold: (product(dealt[fold], counts[unit]), sum(dealt[fold]), fold))
        dealt[fold] = [a + b for a, b in zip(dealt[fold], counts[unit], strict=True)]
        fold_of[members[unit]] = fold + 1
    check_folds(f"folds={folds}, with groups", fold_of, labels)
    return fold_of


def folds_by_kind(
    labels: NDArray[np.int64], kinds: Sequence[str], units: Sequence[str], split_seed: int
) -> NDArray[np.int64]:
    """Assign a fold to every image, so that all anomalous images of a kind are in a fold of their own.

    The units without anomalous images are assigned in the order of size and hash to the fold with the fewest normal
    images.

    Args:
        labels: (N,), 0 normal and 1 anomalous.
        kinds: N kinds; those of normal images are ignored.
        units: N units, as `units_of` returns them.
        split_seed: of the hash.

    Returns:
        (N,) of 1…K, where K is the number of kinds; kinds are in alphabetical order.

    Raises:
        LeanetError: a unit with images of two kinds, or fewer units of normal images than kinds.
    """
    order = kinds_of(labels, kinds)
    normals = [0] * len(order)
    fold_of = np.zeros(len(labels), dtype=np.int64)
    members = _members(units)
    for unit in sorted(members, key=lambda unit: (-len(members[unit]), _rank(split_seed, unit))):
        rows = members[unit]
        of_unit = sorted({kinds[row] for row in rows if labels[row] == POSITIVE})
        if len(of_unit) > 1:
            raise LeanetError(f"leave_kind_out: images of {of_unit[0]} and {of_unit[1]} are in one group")
        fold = order.index(of_unit[0]) if of_unit else min(range(len(order)), key=lambda fold: (normals[fold], fold))
        normals[fold] += int((labels[rows] == NEGATIVE).sum())
        fold_of[rows] = fold + 1
    check_folds("leave_kind_out", fold_of, labels)
    return fold_of


def kinds_of(labels: NDArray[np.int64], kinds: Sequence[str]) -> list[str]:
    """The kinds of anomalous images, sorted; LeanetError unless there are two or more, and each image has one."""
    of_positives = [kind for kind, label in zip(kinds, labels, strict=True) if label == POSITIVE] if kinds else []
    if not all(of_positives) or len(set(of_positives)) < 2:
        raise LeanetError(
            "leave_kind_out=true needs a kind for each anomalous image, and two kinds: folders of defects as in MVTec "
            "AD, a column `kind` in dataset=table, or dataset.kinds"
        )
    return sorted(set(of_positives))


def thinned(
    rows: NDArray[np.int64], labels: NDArray[np.int64], units: Sequence[str], rate: float, split_seed: int
) -> NDArray[np.int64]:
    """Keep only a share of the positive training images.

    Units are ordered by a hash of seed and unit, so that the images kept at a smaller rate are a subset of those at a
    larger rate. Units are added until the share is reached.

    Args:
        rows: of the training images.
        labels: (N,) of all images, 0 normal and 1 anomalous.
        units: N units, as `units_of` returns them.
        rate: share of positives to keep, 0…1; at least one is kept.
        split_seed: of the hash.

    Returns:
        rows of all negatives and of the positives that are kept, sorted.
    """
    positives = rows[labels[rows] == POSITIVE]
    members = _members([units[row] for row in positives])
    wanted = max(1, round(rate * len(positives)))
    kept: list[int] = []
    for unit in sorted(members, key=lambda unit: _rank(split_seed, f"thin:{unit}")):
        if len(kept) >= wanted:
            break
        kept += positives[members[unit]].tolist()
    return np.sort(np.concatenate([rows[labels[rows] == NEGATIVE], np.array(kept, dtype=np.int64)]))


def held_out(
    rows: NDArray[np.int64], labels: NDArray[np.int64], units: Sequence[str], share: float, split_seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide training images into training and validation images.

    Images are ordered by a hash of seed and unit; images of one unit stay together.

    Args:
        rows: of the training images.
        labels: (N,) of all images, 0 normal and 1 anomalous.
        units: N units, as `units_of` returns them.
        share: approximate share of each class to hold out, at least one image; 0 holds out none.
        split_seed: of the hash.

    Returns:
        rows of the remaining training images, and rows of the validation images.

    Raises:
        LeanetError: no image of a class would be left to train on.
    """
    if share == 0:
        return rows, rows[:0]
    kept = np.ones(len(rows), dtype=bool)
    groups = _members([units[row] for row in rows])
    for label in CLASSES:
        of_class = labels[rows] == label
        wanted = max(1, round(share * int(of_class.sum()))) - int((~kept & of_class).sum())
        digests = {units[row] for row in rows[of_class]}
        for digest in sorted(digests, key=lambda digest: _rank(split_seed, f"hold:{digest}")):
            if wanted <= 0:
                break
            wanted -= int((kept & of_class)[groups[digest]].sum())
            kept[groups[digest]] = False
    for label, name in CLASSES.items():
        if not (kept & (labels[rows] == label)).any():
            raise LeanetError(f"validation={share:g}: no {name} image of the training folds is left to train on")
    return rows[kept], rows[~kept]


def parts_of(rows: NDArray[np.int64], units: Sequence[str], parts: int, split_seed: int) -> NDArray[np.int64]:
    """Divide images into parts for cross-fitting, by the algorithm of `stratified_folds` without classes.

    Args:
        rows: of the images to divide, the training normals.
        units: N units of all images, as `units_of` returns them.
        parts: K.
        split_seed: of the hash.

    Returns:
        (N,) the part, 1…K, of each image in `rows` and of each image with the same pixels; 0 for all others.

    Raises:
        LeanetError: there are fewer different images than parts.
    """
    groups = _members([units[row] for row in rows])
    if len(groups) < parts:
        raise LeanetError(f"map.cross_fit={parts}: there are only {len(groups)} different training normals")
    dealt = dict.fromkeys(range(1, parts + 1), 0)
    part_of: dict[str, int] = {}
    for digest in sorted(groups, key=lambda digest: (-len(groups[digest]), _rank(split_seed, f"part:{digest}"))):
        part_of[digest] = min(dealt, key=lambda part: (dealt[part], part))
        dealt[part_of[digest]] += len(groups[digest])
    return np.array([part_of.get(digest, 0) for digest in units], dtype=np.int64)


def _members(units: Sequence[str]) -> dict[str, list[int]]:
    """The positions of the images of each unit."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, unit in enumerate(units):
        members[unit].append(position)
    return members


def _rank(split_seed: int, digest: str) -> str:
    return hashlib.sha256(f"{split_seed}:{digest}".encode()).hexdigest()
