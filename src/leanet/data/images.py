"""The interface of a dataset: an index before decoding, an image set after it."""

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
    """Names, labels and hashes of a dataset's N images, known before decoding. The order does not depend on names.

    Args:
        names: N unique POSIX paths relative to the dataset's root.
        labels: (N,) int64, 0 normal (negative) and 1 anomalous (positive).
        sha256: N hashes of the files' bytes.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    sha256: tuple[str, ...]

    @classmethod
    def of(cls, entries: list[tuple[str, int, str]]) -> "Index":
        """An index of (name, label, sha256) entries, sorted by sha256, label and name."""
        entries = sorted(entries, key=lambda entry: (entry[2], entry[1], entry[0]))
        labels = np.array([label for _, label, _ in entries], dtype=np.int64)
        return cls(tuple(name for name, _, _ in entries), labels, tuple(sha for _, _, sha in entries))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all contents and labels; it does not depend on file names."""
        lines = "".join(f"{sha} {label}\n" for sha, label in zip(self.sha256, self.labels, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class ImageSet:
    """The decoded images of a dataset.

    Args:
        index: of the dataset.
        images: (N, 3, S, S) uint8, sRGB, in the order of `index`; may be memory-mapped.
        pixels: N hashes (SHA-256) of the decoded pixels before resizing; equal if two files have the same pixels.
        sizes: (N, 2), width and height before resizing.
    """

    index: Index
    images: NDArray[np.uint8]
    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,), 0 normal and 1 anomalous."""
        return self.index.labels


class Dataset(Protocol):
    """A source of images. `index` is quick and decodes nothing; `load` decodes images, or reads them from the cache."""

    @property
    def name(self) -> str:
        """The dataset's name, in names of runs and in reports."""

    @property
    def image_size(self) -> int:
        """S, to which images are resized."""

    def index(self) -> Index:
        """Names, labels and hashes of the images."""

    def load(self, cache: Path) -> ImageSet:
        """The images at (S, S). The folder `cache` may be used to keep decoded images."""


DECODER = 4  # version of the decoding; increase it when pixels change, so that no older cache is read


class Decoded(NamedTuple):
    """Hashes and sizes of decoded images, as in `ImageSet`."""

    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]


def load_cached(file: Path, index: Index, image_size: int, decode: Callable[[NDArray[np.uint8]], Decoded]) -> ImageSet:
    """Read decoded images from the cache, or decode them and write the cache if it is missing.

    Images are memory-mapped, so that a dataset may be larger than the memory. If several processes need the same
    images, one decodes them and the others wait.

    Args:
        file: the cache (.npy); hashes and sizes are in a .npz file beside it.
        index: of the dataset.
        image_size: S.
        decode: fills an array (N, 3, S, S) uint8 with the images, in the order of `index`.

    Raises:
        LeanetError: the cache is damaged.
    """
    file = file.with_name(f"{file.stem}-v{DECODER}.npy")
    beside = file.with_suffix(".npz")  # may be older or newer than `file`: both depend only on the images

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
