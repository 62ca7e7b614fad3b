"""Predict any number of files in bounded memory, with a journal from which a killed process resumes."""

import csv
import hashlib
import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from leanet.data.decode import UnreadableError, decoded
from leanet.data.files import READS, Files, Kind, image_suffixes, kind_of, why_not_read
from leanet.errors import LeanetError
from leanet.progress import progress
from leanet.storage.files import write_atomically

BATCH = 32
_AHEAD = 3  # batches that are decoded while the network processes one
_SYNC_SECONDS = 5.0

Record = dict[str, Any]  # of one file: "file"; "reason", or "probabilities" (one for each fold) and perhaps "distance"
Pixels = NDArray[np.uint8]
# Probabilities (B, F), and distances from the training images (B,) if they are known.
Answers = tuple[NDArray[np.float64], NDArray[np.float64] | None]
Resize = Callable[[Image], Pixels]  # an RGB image → (3, S, S)
PredictBatch = Callable[[Pixels, Sequence[str]], Answers]


@dataclass(frozen=True)
class Source:
    """The image files to predict: one file, or all image files below a folder.

    Args:
        path: the file or folder that was given.
        root: the folder that names are relative to.
        names: of the image files, sorted.
        not_read: names of images in formats that leanet does not read.
        left_out: one line that counts the files that are not images, as `Files.left_out`.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    not_read: tuple[str, ...] = ()
    left_out: str = ""

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Find the image files of a path.

        Raises:
            LeanetError: no such path, no image files in the folder, or a file of another format.
        """
        if path.is_dir():
            files = Files.below(path)
            names, not_read = (
                tuple(sorted(file.relative_to(path).as_posix() for file in files.of(kind)))
                for kind in (Kind.IMAGE, Kind.NOT_READ)
            )
            if not names:
                raise LeanetError("; ".join(filter(None, (f"source={path}: no {READS} files in it", files.left_out))))
            return cls(path, path, names, not_read, files.left_out)
        if not path.exists():
            raise LeanetError(f"source={path}: no such file or folder; relative paths start at {Path.cwd()}")
        if kind_of(path.name) is Kind.NOT_READ:
            raise LeanetError(f"source={path}: {why_not_read(path.name)}")
        if path.suffix.lower() not in image_suffixes():
            raise LeanetError(f"source={path}: not named as a {READS} file")
        return cls(path, path.parent, (path.name,))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the files' names, sizes and times, by which a changed folder is recognised."""
        digest = hashlib.sha256()
        for name in self.names:
            file = self.root / name
            found = file.stat() if file.exists() else None  # a broken link is reported as unreadable later
            digest.update(repr((name, found and (found.st_size, found.st_mtime_ns))).encode())
        digest.update("".join(map(repr, self.not_read)).encode())
        return digest.hexdigest()


class Journal:
    """A file beside the results to which each predicted batch is appended, so that a killed process can be resumed.

    The first line identifies the prediction; every other line is one file's record as JSON. An incomplete batch at the
    end of the file is cut off.

    Args:
        path: of the journal.
        prediction: the identity of the prediction.
        total: the number of files to predict.

    Attributes:
        done: the number of records at the start.

    Raises:
        LeanetError: `path` is the journal of another prediction.
    """

    def __init__(self, path: Path, prediction: str, total: int) -> None:
        self.path = path
        self._head = json.dumps({"prediction": prediction}).encode() + b"\n"
        self.done = self._taken_up(total)
        self._file: BinaryIO = path.open("ab")
        self._synced = time.monotonic()

    def _taken_up(self, total: int) -> int:
        """Cut off an incomplete batch; returns the number of remaining records."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0)
            head = file.readline()
            if head.endswith(b"\n") and head != self._head:
                raise LeanetError(
                    f"{self.path.parent} holds a prediction with other settings or of other files, which was not "
                    "finished; give another out=DIR, or remove that folder"
                )
            done, end = 0, len(self._head)
            place = end
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                place += len(line)
                if number % BATCH == 0 or number == total:
                    done, end = number, place
            if head == self._head:
                file.truncate(end)
            else:  # new, or with an incomplete first line
                file.truncate(0)
                file.write(self._head)
            return done

    def add(self, records: Sequence[Record]) -> None:
        """Append a batch in one write; at most every 5 seconds it is also forced to the disk."""
        self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self._file.flush()
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        self._file.close()

    def records(self) -> Iterator[Record]:
        """Iterate over all records."""
        with self.path.open("rb") as file:
            file.readline()
            yield from map(json.loads, file)


def predict_source(source: Source, resize: Resize, journal: Journal, predict: PredictBatch) -> None:
    """Predict the files that are not in the journal yet, with a progress bar.

    Args:
        source: the files.
        resize: gives the pixels that the networks see.
        journal: receives the records.
        predict: function of images (B, 3, S, S) and their B names that returns probabilities of F folds, (B, F), and
            distances (B,) or None.
    """
    names = source.names[journal.done :]
    bar = progress(label="predict", total=len(source.names), unit="image", initial=journal.done)
    with bar:
        for batch, pixels in _decoded(source.root, names, resize):
            journal.add(_records(batch, pixels, predict))
            bar.update(len(batch))


def _records(names: Sequence[str], pixels: Sequence[Pixels | UnreadableError], predict: PredictBatch) -> list[Record]:
    """The records of a batch, in its order."""
    readable = {
        name: image for name, image in zip(names, pixels, strict=True) if not isinstance(image, UnreadableError)
    }
    said: dict[str, Record] = {}
    if readable:
        probabilities, distances = predict(np.stack(list(readable.values())), list(readable))
        said = {name: {"probabilities": each} for name, each in zip(readable, probabilities.tolist(), strict=True)}
        for name, distance in zip(readable, [] if distances is None else distances.tolist(), strict=False):
            said[name]["distance"] = distance
    return [
        {"file": name, "reason": image.reason} if isinstance(image, UnreadableError) else {"file": name, **said[name]}
        for name, image in zip(names, pixels, strict=True)
    ]


def _decoded(
    root: Path, names: Sequence[str], resize: Resize
) -> Iterator[tuple[Sequence[str], list[Pixels | UnreadableError]]]:
    """Yield batches of names and images (3, S, S); threads decode a few batches ahead."""

    def read(name: str) -> Pixels | UnreadableError:
        try:
            with decoded(root / name) as image:
                return resize(image)
        except UnreadableError as error:
            return error

    starts = iter(range(0, len(names), BATCH))
    ahead: deque[tuple[Sequence[str], list[Future[Pixels | UnreadableError]]]] = deque()
    threads = ThreadPoolExecutor(os.cpu_count())
    try:
        while True:
            while len(ahead) < _AHEAD and (start := next(starts, None)) is not None:
                batch = names[start : start + BATCH]
                ahead.append((batch, [threads.submit(read, name) for name in batch]))
            if not ahead:
                return
            batch, futures = ahead.popleft()
            yield batch, [future.result() for future in futures]
    finally:
        threads.shutdown(cancel_futures=True)


def write_rows(file: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
    """Write a CSV file atomically, in UTF-8 with a byte order mark for spreadsheets.

    Args:
        file: of the table.
        columns: the header.
        rows: written one at a time.

    Returns:
        the number of rows.
    """
    count = 0

    def write(out: BinaryIO) -> None:
        nonlocal count
        # File names that are not valid Unicode are escaped.
        text = io.TextIOWrapper(out, encoding="utf-8-sig", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(row)
        text.flush()
        text.detach()

    write_atomically(file, write)
    return count
