"""Where results live: identities, and files that are whole or absent."""

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

PREDICTION, JOURNAL = "prediction.json", "predictions.part.jsonl"  # in a prediction's folder: when done, and before

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BLOCK = 1 << 20
_SCALARS = frozenset({str, int, bool, type(None)})


def identity(facts: Mapping[str, Any]) -> str:
    """A name for everything that changes a result: 12 hex digits of the SHA-256 of `facts` as sorted JSON.

    Equal numbers count as one, however they are written: 1 and 1.0.
    """
    text = json.dumps(_plain(facts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:  # first, since the check for a Mapping is slow, and a grid has thousands of runs
        return value
    if kind is dict or isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader sees the old file, the new, or none.

    Raises:
        LeanetError: this process locked a folder around `path`, and another host has taken it over.
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
        ensure_held(path)  # who loses the lock only now has lost the part too: the next holder sweeps before it reads
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, FileNotFoundError):
            ensure_held(path)  # the next holder may have swept the part
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(path)  # a full disk does not say what was being written
        raise


def write_bytes(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))


def write_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike, fill: Callable[[NDArray[Any]], object]) -> None:
    """Let `fill` write an array of `shape` into a memory-mapped .npy file, which may be larger than the memory.

    Its room on the disk is taken first: a full disk is an OSError, and not a signal while it is being filled.
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
    """Take `size` bytes of the disk from `start` on. Only Linux does so without writing them."""
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), start, size)
        return
    for done in range(0, size, _BLOCK):
        file.write(bytes(min(_BLOCK, size - done)))
    file.flush()


def read_array(path: Path) -> NDArray[Any]:
    """The array in a .npy file, memory-mapped: what is never asked for is never read. Writing to it changes no file."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError):  # cut off, or no array
        raise damaged(path) from None
    return array


def damaged(path: Path) -> LeanetError:
    """What to say of a file that leanet made and cannot read."""
    return LeanetError(f"{path}: damaged; remove it, and give the command that made it once more")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; names of files that are no Unicode are written escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def as_cell(name: str) -> str:
    """A file's name for a CSV: `./` goes before one that a spreadsheet would take for a formula."""
    return f"./{name}" if name.startswith(_FORMULA) else name


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any | None:
    """The value in `path`; None where there is no such file, and LeanetError where it is damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # JSON and UTF-8 have errors of this kind
        raise damaged(path) from None
    if value is None:  # which is never written
        raise damaged(path)
    return value


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
