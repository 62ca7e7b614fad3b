"""What a dataset is to the rest of the program: an index before decoding, an image set after."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from leanet.storage.files import damaged, read_array, write_array, write_atomically
from leanet.storage.locks import lock

NEGATIVE, POSITIVE = 0, 1
THRESHOLD = 0.5  # an image is called anomalous above this probability


@dataclass(frozen=True)
class Index:
    """Everything known of a dataset before an image is decoded, in an order that file names do not change.

    names: POSIX paths relative to the dataset's root, unique.
    labels: (N,) int64, 0 = normal (negative), 1 = anomalous (positive).
    sha256: of each file's bytes.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    sha256: tuple[str, ...]

    @classmethod
    def of(cls, entries: list[tuple[str, int, str]]) -> "Index":
        """Index of (name, label, sha256) entries, sorted by content so that names and listing order do not matter."""
        entries = sorted(entries, key=lambda entry: (entry[2], entry[1], entry[0]))
        labels = np.array([label for _, label, _ in entries], dtype=np.int64)
        return cls(tuple(name for name, _, _ in entries), labels, tuple(sha for _, _, sha in entries))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted contents and labels: the same for the same images, whatever their names."""
        lines = "".join(f"{sha} {label}\n" for sha, label in zip(self.sha256, self.labels, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class ImageSet:
    """The images of an index, in its order.

    images: (N, 3, S, S) uint8, sRGB; may lie in a memory-mapped file.
    pixels: SHA-256 of each image's decoded pixels before resizing; equal where two files show the same picture.
    sizes: (N, 2), width and height before resizing.
    """

    index: Index
    images: NDArray[np.uint8]
    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.index.labels


class Dataset(Protocol):
    """A source of images: `index` is quick and decodes nothing, `load` decodes (or reads the cache)."""

    @property
    def name(self) -> str: ...

    @property
    def image_size(self) -> int: ...

    def index(self) -> Index: ...

    def load(self, cache: Path) -> ImageSet: ...


DECODER = 4  # raised by hand when decoding changes, so that no older cache is read


class Decoded(NamedTuple):
    """What is known of images once they are decoded, see `ImageSet`."""

    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]


def load_cached(file: Path, index: Index, image_size: int, decode: Callable[[NDArray[np.uint8]], Decoded]) -> ImageSet:
    """The image set kept in `file` (.npy) and beside it, decoded and written there first if it is missing.

    It is memory-mapped: a set may be larger than the memory. Of several processes that need it one decodes, and the
    others wait.

    Args:
        decode: writes the images into the array (N, 3, S, S) that it is given.
    """
    file = file.with_name(f"{file.stem}-v{DECODER}.npy")
    beside = file.with_suffix(".npz")  # both depend on the files' contents alone, so either may be the older

    def fill(images: NDArray[np.uint8]) -> None:
        decoded = decode(images)
        write_atomically(beside, lambda out: np.savez(out, **decoded._asdict()))

    def is_missing() -> bool:
        return not file.exists() or not beside.exists()

    if is_missing():
        with lock(file.parent, lambda: print(f"{file.parent}: waiting for the process that decodes images")):
            if is_missing():
                write_array(file, (len(index), 3, image_size, image_size), np.uint8, fill)
    try:
        with np.load(beside, allow_pickle=False) as kept:
            pixels, sizes = tuple(str(digest) for digest in kept["pixels"]), kept["sizes"]
    except (ValueError, EOFError, KeyError, BadZipFile):
        raise damaged(beside) from None
    images = read_array(file)
    if len(images) != len(index):
        raise damaged(file)
    return ImageSet(index, images, pixels, sizes)
