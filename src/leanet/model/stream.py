"""Files in, rows out: any number of them, in bounded memory, and from where it was if it was killed."""

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
from tqdm import tqdm

from leanet.data.decode import UnreadableError, decoded, resized
from leanet.data.files import READS, Files, Kind, image_suffixes, kind_of, why_not_read
from leanet.errors import LeanetError
from leanet.storage.files import write_atomically

BATCH = 32
_AHEAD = 3  # batches that are decoded while the network is at one
_SYNC_SECONDS = 5.0

Record = dict[str, Any]  # of one file: "file", and either "reason" or "probabilities", of each fold
Pixels = NDArray[np.uint8]
Ask = Callable[[Pixels, Sequence[str]], NDArray[np.float64]]


@dataclass(frozen=True)
class Source:
    """The image files to be asked about: `path` itself, or those below it, by their names under `root`, in order.

    not_read: the names of images of formats that leanet does not read.
    left_out: how many files there are no images, in one line.
    """

    path: Path
    root: Path
    names: tuple[str, ...]
    not_read: tuple[str, ...] = ()
    left_out: str = ""

    @classmethod
    def of(cls, path: Path) -> "Source":
        """One file, or all image files below a folder; LeanetError where there is none."""
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
        """Of the files' names, sizes and times, so that a changed folder is not taken for the one it was."""
        digest = hashlib.sha256()
        for name in self.names:
            file = self.root / name
            found = file.stat() if file.exists() else None  # a link to nothing is told later, with its reason
            digest.update(repr((name, found and (found.st_size, found.st_mtime_ns))).encode())
        digest.update("".join(map(repr, self.not_read)).encode())
        return digest.hexdigest()


class Journal:
    """Rows as they come, in a file beside the results, whole batches of them; of a killed process, those it had.

    Each line is one file's record as JSON, and the first says of which prediction they are: lines that were cut off can
    be told, and nothing in a file's name can break one.
    """

    def __init__(self, path: Path, prediction: str, total: int) -> None:
        """Raises LeanetError if `path` is another prediction's."""
        self.path = path
        self._head = json.dumps({"prediction": prediction}).encode() + b"\n"
        self.done = self._taken_up(total)
        self._file: BinaryIO = path.open("ab")
        self._synced = time.monotonic()

    def _taken_up(self, total: int) -> int:
        """How many records are there, after cutting off what is no whole batch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0)
            head = file.readline()
            if head.endswith(b"\n") and head != self._head:
                raise LeanetError(
                    f"{self.path.parent} holds a prediction by other settings or of other files, which was not "
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
            else:  # new, or cut off within its first line
                file.truncate(0)
                file.write(self._head)
            return done

    def add(self, records: Sequence[Record]) -> None:
        """Append a batch in one piece; now and then it is forced to the disk."""
        self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self._file.flush()
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        self._file.close()

    def records(self) -> Iterator[Record]:
        """All of them, one at a time."""
        with self.path.open("rb") as file:
            file.readline()
            yield from map(json.loads, file)


def ask_about(source: Source, image_size: int, journal: Journal, ask: Ask) -> None:
    """Ask about the files that are not in the journal yet, under a progress bar, and write down what is said.

    Args:
        image_size: S.
        ask: images (B, 3, S, S) and their B names → the folds' probabilities (B, F).
    """
    names = source.names[journal.done :]
    bar = tqdm(total=len(source.names), initial=journal.done, desc="predict", unit="image", disable=None)
    with bar:
        for batch, pixels in _decoded(source.root, names, image_size):
            journal.add(_records(batch, pixels, ask))
            bar.update(len(batch))


def _records(names: Sequence[str], pixels: Sequence[Pixels | UnreadableError], ask: Ask) -> list[Record]:
    """A batch's records, in its order."""
    readable = {
        name: image for name, image in zip(names, pixels, strict=True) if not isinstance(image, UnreadableError)
    }
    answers = ask(np.stack(list(readable.values())), list(readable)).tolist() if readable else []
    said = dict(zip(readable, answers, strict=True))
    return [
        {"file": name, "reason": image.reason}
        if isinstance(image, UnreadableError)
        else {"file": name, "probabilities": said[name]}
        for name, image in zip(names, pixels, strict=True)
    ]


def _decoded(
    root: Path, names: Sequence[str], image_size: int
) -> Iterator[tuple[Sequence[str], list[Pixels | UnreadableError]]]:
    """Batches of names with their images (3, S, S), decoded in threads a few batches ahead."""

    def read(name: str) -> Pixels | UnreadableError:
        try:
            with decoded(root / name) as image:
                return resized(image, image_size)
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
    """Write a CSV file, whole or not at all, a row at a time; how many rows there were.

    It begins with a byte order mark, by which spreadsheets know UTF-8.
    """
    count = 0

    def write(out: BinaryIO) -> None:
        nonlocal count
        # Names that are no Unicode are written escaped.
        text = io.TextIOWrapper(out, encoding="utf-8-sig", errors="backslashreplace", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow(row)
        text.flush()
        text.detach()

    write_atomically(file, write)
    return count
