"""Images in folders: one folder per class, or MVTec AD's layout."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leanet.data.decode import SUFFIXES, UnreadableError, each, read_images
from leanet.data.images import NEGATIVE, POSITIVE, ImageSet, Index, load_cached
from leanet.errors import LeanetError, MissingDatasetError


@dataclass(frozen=True)
class ImageFolder:
    """The images under `root`, a Dataset.

    The classes are root/<negative> and root/<positive>, searched recursively. Where those are missing, MVTec AD's
    layout is looked for: `good` in root (or in root/train and root/test) holds the negatives, every other folder
    beside a `good` is a type of defect and so positive, and `ground_truth` is left out.
    """

    name: str
    root: str
    image_size: int
    negative: str = "Negative"
    positive: str = "Positive"

    def index(self) -> Index:
        """What is there, without decoding.

        Raises:
            LeanetError: no root, no known layout in it, a class without images, or files that cannot be read.
        """
        root = self._root()
        negatives, positives = self._classes(root)
        paths, labels = [], []
        for label, folders in ((NEGATIVE, negatives), (POSITIVE, positives)):
            found = [path for folder in folders for path in images_in(folder)]
            if not found:
                where = ", ".join(str(folder) for folder in folders) or f"{root} (no folder of defects beside `good`)"
                raise LeanetError(f"no images in {where}: put JPEG, PNG, TIFF, BMP or WebP files there")
            paths += found
            labels += [label] * len(found)
        if len(set(paths)) < len(paths):
            raise LeanetError(
                f"dataset.negative={self.negative} and dataset.positive={self.positive} overlap: "
                "name two folders that do not contain each other"
            )
        hashes = each(_sha256, paths, f"index {self.name}")
        names = [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
        return Index.of(list(zip(names, labels, hashes, strict=True)))

    def load(self, cache: Path) -> ImageSet:
        """The images at (image_size, image_size), decoded once and then kept in the folder `cache`.

        Raises:
            LeanetError: as `index`, or naming every image that cannot be decoded.
        """
        index, root = self.index(), self._root()
        paths = [root / name for name in index.names]
        kept = cache / f"{self.name}-{self.image_size}-{index.fingerprint[:12]}.npy"
        return load_cached(kept, index, self.image_size, lambda out: read_images(paths, out, f"decode {self.name}"))

    def _root(self) -> Path:
        if not self.root:
            raise LeanetError("dataset=folder needs dataset.root=DIR, the folder that holds the images")
        root = Path(self.root).expanduser()
        if root.is_dir():
            return root
        if root.exists():
            raise LeanetError(f"dataset.root={self.root}: a file; give the folder that holds the images")
        raise MissingDatasetError(f"dataset.root={self.root}: no such folder; relative paths start at {Path.cwd()}")

    def _classes(self, root: Path) -> tuple[list[Path], list[Path]]:
        """The folders of the (negatives, positives)."""
        negative, positive = root / self.negative, root / self.positive
        if negative.is_dir() and positive.is_dir():
            return [negative], [positive]
        places = [root] if (root / "good").is_dir() else [root / "train", root / "test"]
        places = [place for place in places if (place / "good").is_dir()]
        if places:
            defects = [folder for place in places for folder in _subfolders(place)]
            defects = [folder for folder in defects if folder.name not in {"good", "ground_truth"}]
            return [place / "good" for place in places], defects
        there = ", ".join(folder.name for folder in _subfolders(root)) or "none"
        raise LeanetError(
            f"dataset.root={self.root}: looked for the folders {self.negative} and {self.positive}, then for `good`, "
            f"train/good or test/good (MVTec AD); the folders there are: {there}. "
            "Name the classes with dataset.negative=DIR dataset.positive=DIR"
        )


def _subfolders(folder: Path) -> list[Path]:
    """The folders directly in `folder`, by name; hidden ones are left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def images_in(folder: Path) -> Iterator[Path]:
    """All image files below `folder`, through links too; hidden files and folders are left out."""
    entered = set()
    for top, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(top)
        # A link to a folder above would be walked for ever.
        folders[:] = [] if real in entered else [name for name in folders if not name.startswith(".")]
        if real not in entered:
            yield from (Path(top, name) for name in files if _is_image(name))
        entered.add(real)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _sha256(_: int, path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnreadableError(path, error.strerror or type(error).__name__) from error
