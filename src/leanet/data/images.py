"""The interface of a dataset: an index before decoding, an image set after it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from leanet.data.resize import STRETCH
from leanet.data.tiles import Tiles
from leanet.data.units import units_of
from leanet.storage.files import damaged, read_array, write_array, write_atomically
from leanet.storage.locks import lock

NEGATIVE, POSITIVE = 0, 1
CLASSES = {NEGATIVE: "negative", POSITIVE: "positive"}
WHOLE = 512  # the side of maps that are put together from those of tiles
THRESHOLD = 0.5  # an image is called anomalous above this probability


@dataclass(frozen=True)
class Index:
    """Names, labels and hashes of a dataset's N images, known before decoding. The order does not depend on names.

    Args:
        names: N unique POSIX paths relative to the dataset's root.
        labels: (N,) int64, 0 normal (negative) and 1 anomalous (positive).
        sha256: N hashes of the files' bytes.
        groups: N names of groups, such as plants or patients, whose images are not divided; empty: no groups.
        kinds: N kinds of anomalies, "" for normal images; empty: the kinds are not known.
        folds: N folds from 1 that came with the images; empty: none did.
        masks: files of the masks of anomalous images, by name, that came with the images.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    sha256: tuple[str, ...]
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    folds: tuple[int, ...] = ()
    masks: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        entries: list[tuple[str, int, str]],
        *,
        groups: Mapping[str, str] | None = None,
        kinds: Mapping[str, str] | None = None,
        folds: Mapping[str, int] | None = None,
        masks: Mapping[str, Path] | None = None,
    ) -> "Index":
        """An index of (name, label, sha256) entries, sorted by sha256, label and name.

        `groups`, `kinds`, `folds` and `masks` are by name. An image without a group is a group of its own.
        """
        entries = sorted(entries, key=lambda entry: (entry[2], entry[1], entry[0]))
        names = tuple(name for name, _, _ in entries)
        return cls(
            names,
            np.array([label for _, label, _ in entries], dtype=np.int64),
            tuple(sha for _, _, sha in entries),
            groups=tuple(groups.get(name) or f"{name} alone" for name in names) if groups else (),
            kinds=tuple(kinds.get(name, "") if label else "" for name, label, _ in entries) if kinds else (),
            folds=tuple(folds[name] for name in names) if folds else (),
            masks=masks or {},
        )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all contents and labels; it does not depend on file names."""
        return _digest(zip(self.sha256, self.labels, strict=True))

    @cached_property
    def grouping(self) -> str | None:
        """SHA-256 over the contents of the images of each group; None without groups. It does not depend on names."""
        if not self.groups:
            return None
        first: dict[str, str] = {}  # images are sorted by content
        return _digest((sha, first.setdefault(group, sha)) for sha, group in zip(self.sha256, self.groups, strict=True))

    def digest_of(self, values: Sequence[object]) -> str:
        """SHA-256 over all contents, each with one of N values."""
        return _digest(zip(self.sha256, values, strict=True))


@dataclass(frozen=True)
class ImageSet:
    """The decoded images of a dataset.

    Args:
        index: of the dataset.
        images: (N, 3, S, S) uint8, sRGB, whole images in the order of `index`; may be memory-mapped.
        pixels: N hashes (SHA-256) of the decoded pixels before resizing; equal if two files have the same pixels.
        sizes: (N, 2), width and height before resizing.
        fit: how they were resized, as for `leanet.data.resize.resized`.
        tiles: of the images, if they are cut into tiles.
    """

    index: Index
    images: NDArray[np.uint8]
    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]
    fit: str = STRETCH
    tiles: Tiles | None = None

    @property
    def seen(self) -> NDArray[np.uint8]:
        """What networks see: whole images (N, 3, S, S), or their tiles (N, T, 3, S, S)."""
        return self.images if self.tiles is None else self.tiles.images

    @property
    def map_size(self) -> int:
        """The side of maps of whole images: S, or more if the images are cut into tiles."""
        return self.images.shape[-1] if self.tiles is None else WHOLE

    def whole(self, rows: NDArray[np.int64], maps: NDArray[np.floating]) -> NDArray[np.float32]:
        """Maps of whole images for people, put together from those of tiles.

        Args:
            rows: of B images.
            maps: (B, h, w); or (B · T, h, w) of tiles.

        Returns:
            (B, h, w); or (B, `map_size`, `map_size`).
        """
        if self.tiles is None:
            return maps.astype(np.float32, copy=False)
        each = maps.reshape(len(rows), -1, *maps.shape[1:])
        pairs = zip(each, self.sizes[rows].tolist(), strict=True)
        return np.stack([self.tiles.grid.stitched(tiles, width, height, WHOLE) for tiles, (width, height) in pairs])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,), 0 normal and 1 anomalous."""
        return self.index.labels

    @cached_property
    def units(self) -> Sequence[str]:
        """N units: images of one unit, those with equal pixels or of one group, are never divided."""
        return units_of(self.pixels, self.index.groups)


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


def _digest(pairs: Iterable[tuple[str, object]]) -> str:
    return hashlib.sha256("".join(f"{sha} {value}\n" for sha, value in pairs).encode()).hexdigest()


DECODER = 4  # version of the decoding; increase it when pixels change, so that no older cache is read


class Decoded(NamedTuple):
    """Hashes and sizes of decoded images, as in `ImageSet`."""

    pixels: tuple[str, ...]
    sizes: NDArray[np.int64]


def load_cached(
    file: Path, index: Index, image_size: int, decode: Callable[[NDArray[np.uint8]], Decoded], fit: str = STRETCH
) -> ImageSet:
    """Read decoded images from the cache, or decode them and write the cache if it is missing.

    Images are memory-mapped, so that a dataset may be larger than the memory. If several processes need the same
    images, one decodes them and the others wait.

    Args:
        file: the cache (.npy); hashes and sizes are in a .npz file beside it.
        index: of the dataset.
        image_size: S.
        decode: fills an array (N, 3, S, S) uint8 with the images, in the order of `index`.
        fit: how `decode` resizes them. Each has its own cache.

    Raises:
        LeanetError: the cache is damaged.
    """
    fitted = "" if fit == STRETCH else f"-{fit}"
    file = file.with_name(f"{file.stem}{fitted}-v{DECODER}.npy")
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
    return ImageSet(index, images, pixels, sizes, fit)
