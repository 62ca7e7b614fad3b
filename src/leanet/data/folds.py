"""Cross-validation folds: assigned by the images' content, kept in a CSV file, and checked for equal images."""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leanet.data.images import NEGATIVE, POSITIVE, Index
from leanet.errors import LeanetError
from leanet.storage.files import as_cell, write_text

_COLUMNS = ("file", "sha256", "label", "fold")
_CLASSES = {NEGATIVE: "negative", POSITIVE: "positive"}


class _Row(NamedTuple):
    file: str
    sha256: str
    label: int
    fold: int


def stratified_folds(
    labels: NDArray[np.int64], pixels: Sequence[str], folds: int, split_seed: int
) -> NDArray[np.int64]:
    """Assign a fold to every image, stratified by class, independently of machine, file names and order of files.

    Images with equal pixels form a group, which is not divided; its class is that of most of its images (positive in a
    tie). The groups of a class are sorted by size, largest first, then by a hash of seed and pixels. Each is assigned
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
        LeanetError: fewer than 2 folds, or fewer groups of a class than folds.
    """
    check_counts(labels, folds)
    groups = _groups(pixels)
    classes: dict[int, list[str]] = {label: [] for label in _CLASSES}
    for digest, members in groups.items():
        classes[POSITIVE if 2 * labels[members].sum() >= len(members) else NEGATIVE].append(digest)
    _check_split({label: len(digests) for label, digests in classes.items()}, folds, "different ")

    dealt = [[0, 0] for _ in range(folds)]  # images so far of each fold, by label
    fold_of = np.zeros(len(labels), dtype=np.int64)
    for label, digests in classes.items():
        for digest in sorted(digests, key=lambda digest: (-len(groups[digest]), _rank(split_seed, digest))):
            fold = min(range(folds), key=lambda fold: (dealt[fold][label], sum(dealt[fold]), fold))
            for position in groups[digest]:
                dealt[fold][labels[position]] += 1
                fold_of[position] = fold + 1
    return fold_of


def thinned(
    rows: NDArray[np.int64], labels: NDArray[np.int64], pixels: Sequence[str], rate: float, split_seed: int
) -> NDArray[np.int64]:
    """Keep only a share of the positive training images.

    Positives are ordered by a hash of seed and pixels, so that the images kept at a smaller rate are a subset of those
    at a larger rate.

    Args:
        rows: of the training images.
        labels: (N,) of all images, 0 normal and 1 anomalous.
        pixels: N digests of the decoded pixels.
        rate: share of positives to keep, 0…1; at least one is kept.
        split_seed: of the hash.

    Returns:
        rows of all negatives and of the positives that are kept, sorted.
    """
    positives = rows[labels[rows] == POSITIVE]
    ranking = sorted(positives.tolist(), key=lambda row: (_rank(split_seed, f"thin:{pixels[row]}"), row))
    kept = ranking[: max(1, round(rate * len(ranking)))]
    return np.sort(np.concatenate([rows[labels[rows] == NEGATIVE], np.array(kept, dtype=np.int64)]))


def held_out(
    rows: NDArray[np.int64], labels: NDArray[np.int64], pixels: Sequence[str], share: float, split_seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide training images into training and validation images.

    Images are ordered by a hash of seed and pixels; images with equal pixels stay together.

    Args:
        rows: of the training images.
        labels: (N,) of all images, 0 normal and 1 anomalous.
        pixels: N digests of the decoded pixels.
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
    groups = _groups([pixels[row] for row in rows])
    for label in _CLASSES:
        of_class = labels[rows] == label
        wanted = max(1, round(share * int(of_class.sum()))) - int((~kept & of_class).sum())
        digests = {pixels[row] for row in rows[of_class]}
        for digest in sorted(digests, key=lambda digest: _rank(split_seed, f"hold:{digest}")):
            if wanted <= 0:
                break
            wanted -= int((kept & of_class)[groups[digest]].sum())
            kept[groups[digest]] = False
    for label, name in _CLASSES.items():
        if not (kept & (labels[rows] == label)).any():
            raise LeanetError(f"validation={share:g}: no {name} image of the training folds is left to train on")
    return rows[kept], rows[~kept]


def parts_of(rows: NDArray[np.int64], pixels: Sequence[str], parts: int, split_seed: int) -> NDArray[np.int64]:
    """Divide images into parts for cross-fitting, by the algorithm of `stratified_folds` without classes.

    Args:
        rows: of the images to divide, the training normals.
        pixels: N digests of the decoded pixels of all images.
        parts: K.
        split_seed: of the hash.

    Returns:
        (N,) the part, 1…K, of each image in `rows` and of each image with the same pixels; 0 for all others.

    Raises:
        LeanetError: there are fewer different images than parts.
    """
    groups = _groups([pixels[row] for row in rows])
    if len(groups) < parts:
        raise LeanetError(f"map.cross_fit={parts}: there are only {len(groups)} different training normals")
    dealt = dict.fromkeys(range(1, parts + 1), 0)
    part_of: dict[str, int] = {}
    for digest in sorted(groups, key=lambda digest: (-len(groups[digest]), _rank(split_seed, f"part:{digest}"))):
        part_of[digest] = min(dealt, key=lambda part: (dealt[part], part))
        dealt[part_of[digest]] += len(groups[digest])
    return np.array([part_of.get(digest, 0) for digest in pixels], dtype=np.int64)


def _groups(pixels: Sequence[str]) -> dict[str, list[int]]:
    """The positions of images by their pixels' digest."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(pixels):
        groups[digest].append(position)
    return groups


def check_counts(labels: NDArray[np.int64], folds: int) -> None:
    """Raise LeanetError if a class has fewer images than folds. Quick, so that it can be called before decoding."""
    _check_split({label: int((labels == label).sum()) for label in _CLASSES}, folds, "")


def check_separation(fold_of: NDArray[np.int64], pixels: Sequence[str], names: Sequence[str]) -> None:
    """Raise LeanetError if equal images are in different folds: a model would be tested on its training images."""
    first: dict[str, int] = {}
    for position, digest in enumerate(pixels):
        other = first.setdefault(digest, position)
        if fold_of[other] != fold_of[position]:
            raise LeanetError(
                f"{names[other]!r} (fold {fold_of[other]}) and {names[position]!r} (fold {fold_of[position]}) are the "
                "same picture: put both into one fold"
            )


def write_folds(path: Path, index: Index, fold_of: NDArray[np.int64]) -> None:
    """Write folds (N,) to a CSV file with the columns file, sha256, label (0 or 1) and fold, sorted by file."""
    rows = sorted(zip(map(as_cell, index.names), index.sha256, index.labels.tolist(), fold_of.tolist(), strict=True))
    write_text(path, "".join(map(_line, [_COLUMNS, *rows])))


def read_folds(path: Path, index: Index) -> NDArray[np.int64]:
    """Read folds from a CSV file. Images are identified by content and label, not by name.

    Args:
        path: of the CSV file, as `write_folds` writes it.
        index: of the dataset.

    Returns:
        (N,) in the order of `index`.

    Raises:
        LeanetError: no such file, not a folds file, other images than the dataset's, folds that are not 1…K, or a fold
            without images of both classes.
    """
    rows = _rows(path)
    folds: dict[str, int] = {}
    for row in rows:
        if folds.setdefault(row.sha256, row.fold) != row.fold:
            raise LeanetError(
                f"{path}: {row.file!r} is in fold {row.fold}, the same image is also in fold {folds[row.sha256]}: "
                "put both into one"
            )
    _check_same_images(path, rows, index)
    fold_of = np.array([folds[sha256] for sha256 in index.sha256], dtype=np.int64)
    _check_folds(path, fold_of, index.labels)
    return fold_of


def _rank(split_seed: int, digest: str) -> str:
    return hashlib.sha256(f"{split_seed}:{digest}".encode()).hexdigest()


def _check_split(counts: dict[int, int], folds: int, which: str) -> None:
    if folds < 2:
        raise LeanetError(f"folds={folds}: cross-validation needs folds=2 or more")
    for label, count in counts.items():
        if count < folds:
            most = min(counts.values())
            remedy = f"use folds={most} or fewer" if most > 1 else "at least 2 of each class are needed"
            plural = "" if count == 1 else "s"
            raise LeanetError(
                f"{count} {which}{_CLASSES[label]} image{plural} cannot be split into {folds} folds; {remedy}"
            )


def _line(fields: Sequence[object]) -> str:
    """One line of CSV. The csv module quotes a carriage return in a name only if its line terminator has one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _rows(path: Path) -> list[_Row]:
    """The rows of a folds file, with checked labels and numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets write a byte order mark
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=head.count))  # spreadsheets' differ by locale
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise LeanetError(f"{path}: no column {', '.join(missing)}; a folds file has {','.join(_COLUMNS)}")
            return [_row(path, reader.line_num, record) for record in reader]
    except OSError as error:
        raise LeanetError(f"{path}: no folds can be read there ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeanetError(f"{path}: not a CSV file in UTF-8 ({error}); save it as that") from error


def _row(path: Path, line: int, record: dict[str, str]) -> _Row:
    try:
        label, fold = int(record["label"]), int(record["fold"])
        if label not in _CLASSES:
            raise ValueError
        return _Row(record["file"], record["sha256"].strip().lower(), label, fold)
    except (TypeError, ValueError, AttributeError) as error:
        raise LeanetError(f"{path}, line {line}: label must be 0 or 1 and fold a whole number") from error


def _check_same_images(path: Path, rows: list[_Row], index: Index) -> None:
    """Raise LeanetError unless file and dataset have the same images with the same labels."""
    known = {(row.sha256, row.label) for row in rows}
    known_images = {row.sha256 for row in rows}
    there = set(zip(index.sha256, index.labels.tolist(), strict=True))
    images = list(zip(index.names, index.sha256, index.labels.tolist(), strict=True))
    other_label = [name for name, sha256, label in images if sha256 in known_images and (sha256, label) not in known]
    absent = [name for name, sha256, _ in images if sha256 not in known_images]
    left_over = [row.file for row in rows if (row.sha256, row.label) not in there]
    for names, complaint in (
        (other_label, "labelled otherwise in the dataset"),
        (absent, "of the dataset not in it"),
        (left_over, "in it that the dataset does not have"),
    ):
        if names:
            listed = ", ".join(map(repr, sorted(names)[:3])) + (", ..." if len(names) > 3 else "")
            number = f"{len(names)} image{'' if len(names) == 1 else 's'}"
            raise LeanetError(f"{path}: {number} {complaint}: {listed}; the folds must be of this very dataset")


def _check_folds(path: Path, fold_of: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
    """Raise LeanetError unless the folds are 1…K with K > 1, and each has images of both classes."""
    folds = np.unique(fold_of).tolist()
    if folds != list(range(1, len(folds) + 1)) or len(folds) < 2:
        raise LeanetError(f"{path}: the folds are {', '.join(map(str, folds))}; number them 1, 2, ... without gaps")
    for fold in folds:
        for label, name in _CLASSES.items():
            if not (labels[fold_of == fold] == label).any():
                raise LeanetError(f"{path}: fold {fold} has no {name} image; every fold needs both classes")
