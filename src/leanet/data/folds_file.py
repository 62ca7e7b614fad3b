"""Write and read folds.csv, the file with the fold of each image of a dataset."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leanet.data.csv_table import Row, read_table
from leanet.data.fold_checks import check_folds
from leanet.data.images import CLASSES, Index
from leanet.errors import LeanetError
from leanet.storage.files import as_cell, write_text

_COLUMNS = ("file", "sha256", "label", "fold")


class _Entry(NamedTuple):
    file: str
    sha256: str
    label: int
    fold: int


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
    entries = [_entry(row) for row in read_table(path, _COLUMNS)]
    folds: dict[str, int] = {}
    for entry in entries:
        if folds.setdefault(entry.sha256, entry.fold) != entry.fold:
            raise LeanetError(
                f"{path}: {entry.file!r} is in fold {entry.fold}, the same image is also in fold "
                f"{folds[entry.sha256]}: put both into one"
            )
    _check_same_images(path, entries, index)
    fold_of = np.array([folds[sha256] for sha256 in index.sha256], dtype=np.int64)
    check_folds(str(path), fold_of, index.labels)
    return fold_of


def _entry(row: Row) -> _Entry:
    try:
        label, fold = int(row.cells["label"]), int(row.cells["fold"])
        if label not in CLASSES:
            raise ValueError
        return _Entry(row.cells["file"], row.cells["sha256"].lower(), label, fold)
    except ValueError as error:
        raise LeanetError(f"{row.where}: label must be 0 or 1 and fold a whole number") from error


def _check_same_images(path: Path, entries: list[_Entry], index: Index) -> None:
    """Raise LeanetError unless file and dataset have the same images with the same labels."""
    known = {(entry.sha256, entry.label) for entry in entries}
    known_images = {entry.sha256 for entry in entries}
    there = set(zip(index.sha256, index.labels.tolist(), strict=True))
    images = list(zip(index.names, index.sha256, index.labels.tolist(), strict=True))
    other_label = [name for name, sha256, label in images if sha256 in known_images and (sha256, label) not in known]
    absent = [name for name, sha256, _ in images if sha256 not in known_images]
    left_over = [entry.file for entry in entries if (entry.sha256, entry.label) not in there]
    for names, complaint in (
        (other_label, "labelled otherwise in the dataset"),
        (absent, "of the dataset not in it"),
        (left_over, "in it that the dataset does not have"),
    ):
        if names:
            listed = ", ".join(map(repr, sorted(names)[:3])) + (", ..." if len(names) > 3 else "")
            number = f"{len(names)} image{'' if len(names) == 1 else 's'}"
            raise LeanetError(f"{path}: {number} {complaint}: {listed}; the folds must be of this very dataset")


def _line(fields: Sequence[object]) -> str:
    """One line of CSV. The csv module quotes a carriage return in a name only if its line terminator has one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"
