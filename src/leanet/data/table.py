"""A dataset from a table: a CSV file with the label of each image file, as a spreadsheet saves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leanet.data.csv_table import Row, read_table
from leanet.data.decode import hashes_of, read_images
from leanet.data.files import is_image, why_not_read
from leanet.data.fold_checks import check_folds
from leanet.data.images import NEGATIVE, POSITIVE, ImageSet, Index, load_cached
from leanet.data.resize import STRETCH
from leanet.errors import LeanetError, MissingDatasetError

_NEGATIVES = ("0", "normal", "negative", "good", "healthy", "ok")
_POSITIVES = ("1", "anomalous", "positive", "anomaly", "defect", "defective", "bad", "sick")
_OPTIONAL = ("group", "kind", "fold", "mask")
_SHOWN = 3  # rows that an error message names


@dataclass(frozen=True)
class ImageTable:
    """A `Dataset` of the image files in a CSV file.

    The columns are `file` and `label`, and optionally `group` (images of one group are not divided), `kind` (of the
    anomaly), `fold` (from 1) and `mask` (an image file). Files are relative to `root`.

    Args:
        name: of the dataset.
        file: the CSV file.
        image_size: S, to which images are resized.
        root: the folder of the images; None: the folder of the CSV file.
        negative: a word for normal images; None: 0, normal, negative, good, healthy or ok.
        positive: a word for anomalous images; None: 1, anomalous, positive, anomaly, defect, defective, bad or sick.
        fit: how images that are not square become square, as for `leanet.data.resize.resized`.
    """

    name: str
    file: str
    image_size: int
    root: str | None = None
    negative: str | None = None
    positive: str | None = None
    fit: str = STRETCH

    def index(self) -> Index:
        """Names, labels and hashes of the images, with what else the table says, without decoding.

        Raises:
            LeanetError: no such file, or rows that are wrong; the message names them.
        """
        rows = read_table(self._path(), ("file", "label"), _OPTIONAL)
        labels = self._labels(rows)
        files = self._files(rows)
        names = list(files)
        hashes = hashes_of(list(files.values()), f"index {self.name}")
        known = {column: self._column(rows, names, column) for column in _OPTIONAL}
        folds = _folds(rows, names) if known["fold"] else None
        masks = {name: self._existing(row, "mask") for name, row in zip(names, rows, strict=True) if known["mask"]}
        index = Index.of(
            list(zip(names, labels, hashes, strict=True)),
            groups=known["group"],
            kinds=known["kind"],
            folds=folds,
            masks={name: mask for name, mask in masks.items() if mask},
        )
        if folds:
            check_folds(self.file, np.array(index.folds), index.labels)
        return index

    def load(self, cache: Path) -> ImageSet:
        """Decode and resize the images, or read them if they are already kept.

        Args:
            cache: the folder in which decoded images are kept.

        Raises:
            LeanetError: as for `index`, or images that cannot be decoded; the message names them.
        """
        index = self.index()
        paths = self.pictures(index)
        kept = cache / f"{self.name}-{self.image_size}-{index.fingerprint[:12]}.npy"
        read = partial(read_images, paths, label=f"decode {self.name}", fit=self.fit)
        return load_cached(kept, index, self.image_size, read, self.fit)

    def pictures(self, index: Index) -> list[Path]:
        """The image files in the order of `index`."""
        return [self._root() / name for name in index.names]

    def _path(self) -> Path:
        if not self.file:
            raise LeanetError("dataset=table needs dataset.file=FILE, a CSV file with the columns file and label")
        path = Path(self.file).expanduser()
        if not path.is_file():
            raise MissingDatasetError(f"dataset.file={self.file}: no such file; relative paths start at {Path.cwd()}")
        return path

    def _root(self) -> Path:
        root = Path(self.root).expanduser() if self.root else self._path().parent
        if not root.is_dir():
            raise MissingDatasetError(f"dataset.root={self.root}: no such folder; relative paths start at {Path.cwd()}")
        return root

    def _labels(self, rows: Sequence[Row]) -> list[int]:
        words = dict.fromkeys([self.negative.lower()] if self.negative else _NEGATIVES, NEGATIVE)
        words |= dict.fromkeys([self.positive.lower()] if self.positive else _POSITIVES, POSITIVE)
        unknown = [row for row in rows if row.cells["label"].lower() not in words]
        if unknown:
            raise LeanetError(
                f"{_listed(unknown, 'label')}: a label that is neither normal ({_words(words, NEGATIVE)}) nor "
                f"anomalous ({_words(words, POSITIVE)}); name yours with dataset.negative=WORD dataset.positive=WORD"
            )
        labels = [words[row.cells["label"].lower()] for row in rows]
        for label, kind in ((NEGATIVE, "normal"), (POSITIVE, "anomalous")):
            if label not in labels:
                raise LeanetError(f"{self.file}: no {kind} image ({_words(words, label)}) in {len(rows)} rows")
        return labels

    def _files(self, rows: Sequence[Row]) -> dict[str, Path]:
        """The image files by name, in the order of rows."""
        found: dict[str, Row] = {}
        for row in rows:
            name = _name(row.cells["file"])
            if not name:
                raise LeanetError(f"{row.where}: no file")
            if name in found:
                line = found[name].where.rsplit(" ", 1)[1]
                raise LeanetError(f"{row.where}: {name!r} is there twice, first in line {line}")
            found[name] = row
        missing = [row for row in rows if self._existing(row, "file") is None]
        if missing:
            raise LeanetError(
                f"{_listed(missing, 'file')}: no such file in {self._root()}; dataset.root=DIR names another folder"
            )
        if wrong := next((name for name in found if not is_image(Path(name).name)), None):
            raise LeanetError(f"{found[wrong].where}: {wrong!r}: {why_not_read(wrong)}")
        return {name: self._root() / name for name in found}

    def _existing(self, row: Row, column: str) -> Path | None:
        """The file that a cell names; None if the cell of a mask is empty, or if there is no such image."""
        if not row.cells[column]:
            return None
        path = self._root() / _name(row.cells[column])
        if path.is_file():
            return path
        if column == "mask":
            raise LeanetError(f"{row.where}: no such mask: {path}")
        return None

    def _column(self, rows: Sequence[Row], names: Sequence[str], column: str) -> dict[str, str] | None:
        """An optional column by name; None if the file does not have it, or if it is empty."""
        words = {name: row.cells.get(column, "") for name, row in zip(names, rows, strict=True)}
        return words if any(words.values()) else None


def _folds(rows: Sequence[Row], names: Sequence[str]) -> dict[str, int]:
    wrong = [row for row in rows if not row.cells["fold"].isdecimal()]
    if wrong:
        raise LeanetError(f"{_listed(wrong, 'fold')}: fold must be a whole number from 1, in all rows or in none")
    return {name: int(row.cells["fold"]) for name, row in zip(names, rows, strict=True)}


def _name(cell: str) -> str:
    """A file as a path with slashes; tables of Windows have backslashes."""
    return cell.replace("\\", "/").removeprefix("./")


def _listed(rows: Sequence[Row], column: str) -> str:
    """The first of some rows, as `labels.csv, line 3: 'x', and 4 more rows`."""
    shown = "; ".join(f"{row.where}: {row.cells[column]!r}" for row in rows[:_SHOWN])
    more = len(rows) - _SHOWN
    return shown + (f" and {more} more row{'' if more == 1 else 's'}" if more > 0 else "")


def _words(words: dict[str, int], label: int) -> str:
    return ", ".join(word for word, of in words.items() if of == label)
