"""Anomaly maps made by another program: a folder with a file for each image of a dataset."""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leanet.data.decode import UnreadableError, each
from leanet.data.images import ImageSet, Index
from leanet.data.resize import fitted
from leanet.errors import LeanetError

SUFFIXES = (".npy", ".tif", ".tiff", ".png")
_PLANES = ("L", "I", "F")  # Pillow's grey modes: 8 bits, 16 or 32 bits, floating point
_FOLD = "{fold}"  # is replaced by the fold's number in a root
_NAMED = 5  # missing files that an error message names


@dataclass(frozen=True)
class MapFolder:
    """Anomaly maps in files: for the image a/b.jpg of the dataset, one of a/b.npy, a/b.tif, a/b.tiff and a/b.png.

    The file may also have the image's whole name, a/b.jpg.npy, for images that differ only in their suffix. A map is an
    array of finite numbers from 0 up. It has the image's aspect ratio at any size, and is then padded with 0 or cropped
    like the image (`dataset.fit`). Or it is a map of the square that networks see, at any size.

    Args:
        root: the folder.
    """

    root: Path

    @classmethod
    def of_fold(cls, root: str, fold: int) -> "MapFolder":
        """The maps for one fold.

        Args:
            root: the folder; `{fold}` in it is replaced by the fold's number. If it has a folder `fold1`, `fold2`, …
                for the fold, that one is used.
            fold: from 1.

        Raises:
            LeanetError: no such folder.
        """
        folder = _folder(root.replace(_FOLD, str(fold)))
        own = folder / f"fold{fold}"
        return cls(own if own.is_dir() else folder)

    def files(self, index: Index) -> list[Path]:
        """Find the map of each image.

        Returns:
            N files, in the order of `index`.

        Raises:
            LeanetError: images without a map or with two maps.
        """
        found = {name: self._candidates(name) for name in index.names}
        missing = sorted(name for name, files in found.items() if not files)
        if missing:
            listed = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
            raise LeanetError(
                f"map.root={self.root}: {len(missing)} of {len(index)} images have no map: {listed}; a map has its "
                f"image's name and one of the suffixes {' '.join(SUFFIXES)}"
            )
        for name, files in found.items():
            if len(files) > 1:
                raise LeanetError(f"map.root={self.root}: {name} has two maps, {files[0].name} and {files[1].name}")
        return [files[0] for files in found.values()]

    def load(self, images: ImageSet) -> NDArray[np.float32]:
        """Read and resize the maps. Values are not scaled.

        Args:
            images: of the dataset, (N, 3, S, S).

        Returns:
            (N, 1, S, S).

        Raises:
            LeanetError: files that are missing, cannot be read, are not maps, or do not fit their images; the message
                names them.
        """
        size = images.images.shape[-1]
        shapes = [(int(height), int(width)) for width, height in images.sizes]

        def read(position: int, path: Path) -> NDArray[np.float32]:
            plane = _fitting(path, _plane(path), shapes[position])
            of = None if plane.shape[0] == plane.shape[1] else shapes[position][::-1]
            # Bilinear with antialiasing keeps values in their range.
            square = fitted(Image.fromarray(plane), size, images.fit, Image.Resampling.BILINEAR, of=of)
            return np.asarray(square)

        return np.stack(each(read, self.files(images.index), "read maps", "maps"))[:, None]

    def _candidates(self, name: str) -> list[Path]:
        stem = PurePosixPath(name).with_suffix("")
        whole = [self.root / f"{name}{suffix}" for suffix in SUFFIXES]
        files = [path for path in whole if path.is_file()]
        return files or [path for suffix in SUFFIXES if (path := self.root / f"{stem}{suffix}").is_file()]


@cache
def map_fingerprint(root: str, folds: int) -> str:
    """SHA-256 over the names and contents of all maps; files are read once in a process.

    Args:
        root: as for `MapFolder.of_fold`.
        folds: the number of folds.

    Raises:
        LeanetError: no such folder, or files that cannot be read.
    """
    if _FOLD in root:
        of_folds = {fold: _lines(_folder(root.replace(_FOLD, str(fold)))) for fold in range(1, folds + 1)}
        lines = [f"{fold} {line}" for fold, of_fold in of_folds.items() for line in of_fold]
    else:
        lines = _lines(_folder(root))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _lines(folder: Path) -> list[str]:
    """A line with hash and name for each map in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    digests = each(lambda _, path: hashlib.sha256(path.read_bytes()).hexdigest(), paths, "index maps", "maps")
    return [f"{sha} {path.relative_to(folder).as_posix()}" for sha, path in zip(digests, paths, strict=True)]


def _folder(root: str) -> Path:
    folder = Path(root)
    if not folder.is_dir():
        raise LeanetError(f"map.root={root}: no such folder; relative paths start at {Path.cwd()}")
    return folder


def _plane(path: Path) -> NDArray[np.float32]:
    """Read a map (H, W); UnreadableError if it is not one, or has values that are negative or not finite."""
    try:
        values = _values(path)
    except Exception as error:  # readers raise many exception classes on damaged files
        raise UnreadableError(path, " ".join(str(error).split()) or type(error).__name__) from error
    shape = values.shape
    while values.ndim > 2 and values.shape[0] == 1:  # anomalib's maps are (1, H, W) or (1, 1, H, W)
        values = values[0]
    if values.ndim != 2 or not values.size or values.dtype.kind not in "buif":
        raise UnreadableError(path, f"{values.dtype} of shape {shape}, and a map is one plane of numbers")
    if not np.isfinite(values).all() or values.min() < 0:
        raise UnreadableError(path, "it has values that are negative or not finite")
    return values.astype(np.float32)


def _values(path: Path) -> NDArray[np.generic]:
    if path.suffix == ".npy":
        array: NDArray[np.generic] = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        return array
    with Image.open(path, formats=("PNG", "TIFF")) as image:
        if image.mode.partition(";")[0] not in _PLANES:
            raise ValueError(f"mode {image.mode}, and a map is grey")
        return np.asarray(image)


def _fitting(path: Path, plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """`plane`, if it is square or has its image's aspect ratio, within a pixel; else UnreadableError."""
    (height, width), (image_height, image_width) = plane.shape, shape
    off = min(abs(width - height * image_width / image_height), abs(height - width * image_height / image_width))
    if height != width and off > 1:
        raise UnreadableError(path, f"{width}×{height} does not fit its image of {image_width}×{image_height}")
    return plane
