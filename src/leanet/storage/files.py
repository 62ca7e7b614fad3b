"""Identities of results, and files that are written atomically."""

import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from leanet.errors import LeanetError
from leanet.storage.locks import ensure_held

PREDICTION, JOURNAL = "prediction.json", "predictions.part.jsonl"  # in the folder of a finished, unfinished prediction

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BLOCK = 1 << 20
_SCALARS = frozenset({str, int, bool, type(None)})


def identity(facts: Mapping[str, Any]) -> str:
    """Hash the settings that change a result.

    Equal numbers give the same hash, such as 1 and 1.0.

    Args:
        facts: settings, as plain values.

    Returns:
        12 hex digits of the SHA-256 of `facts` as sorted JSON.
    """
    text = json.dumps(_plain(facts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:  # first, since the check for a Mapping is slow and a grid has thousands of runs
        return value
    if kind is dict or isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file beside `path`, then rename it, so that readers never see an incomplete file.

    Args:
        path: of the file; folders are created.
        write: writes the content to an open file.

    Raises:
        LeanetError: this process locked a folder around `path`, and another host has taken over the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        ensure_held(path)  # if the lock is lost after this, the next holder has removed `part`, and the rename fails
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, FileNotFoundError):
            ensure_held(path)  # the next holder of the lock may have removed `part`
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(path)  # the error of a full disk has no file name
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    write_atomically(path, lambda file: file.write(content))


def write_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[NDArray[Any]], object]) -> None:
    """Write a .npy file atomically through a memory map, so that it may be larger than the memory.

    Disk space is allocated first, so that a full disk raises an OSError and not a signal (SIGBUS) later.

    Args:
        path: of the file.
        shape: of the array.
        dtype: of the array.
        fill: fills the array that it receives.
    """
    numbers = np.dtype(dtype)

    def write(file: BinaryIO) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(numbers), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        start, size = file.tell(), numbers.itemsize * math.prod(shape)
        if not size:
            return
        _take_room(file, start, size)
        array = np.memmap(file, numbers, "r+", start, shape)
        fill(array)
        array.flush()

    write_atomically(path, write)


def _take_room(file: BinaryIO, start: int, size: int) -> None:
    """Allocate `size` bytes of disk space from `start` on. Only Linux can do so without writing them."""
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), start, size)
        return
    for done in range(0, size, _BLOCK):
        file.write(bytes(min(_BLOCK, size - done)))
    file.flush()


def read_array(path: Path) -> NDArray[Any]:
    """Open a .npy file as a memory-mapped array. Changes to the array do not change the file (copy on write).

    Raises:
        LeanetError: the file is damaged.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError):  # incomplete, or not an array
        raise damaged(path) from None
    return array


def damaged(path: Path) -> LeanetError:
    """The error for a file that leanet wrote and cannot read."""
    return LeanetError(f"{path}: damaged; remove it, and give the command that made it once more")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically; file names that are not valid Unicode are escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def as_cell(name: str) -> str:
    """A file name for a CSV file, with `./` in front if a spreadsheet would interpret it as a formula."""
    return f"./{name}" if name.startswith(_FORMULA) else name


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; ValueError for NaN and infinity."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any | None:
    """Read a JSON file; None if there is no such file.

    Raises:
        LeanetError: it is damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # of JSON or UTF-8
        raise damaged(path) from None
    if value is None:  # leanet never writes null
        raise damaged(path)
    return value


def _umask() -> int:
    """The umask of this process, which can be read only by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
