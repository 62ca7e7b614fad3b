"""Images in folders: one folder per class, or MVTec AD's layout."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from leanet.data.decode import hashes_of, read_images
from leanet.data.files import READS, Files, Kind, subfolders, told
from leanet.data.images import NEGATIVE, POSITIVE, ImageSet, Index, load_cached
from leanet.errors import LeanetError, MissingDatasetError


@dataclass(frozen=True)
class ImageFolder:
    """The images under `root`, a Dataset.

    The classes are root/<negative> and root/<positive>, searched recursively. Where those are missing, MVTec AD's
    layout is looked for: `good` in root (or in root/train and root/test) holds the negatives, every other folder
    beside a `good` is a type of defect and so positive, and `ground_truth` is left out. What systems and leanet itself
    leave in folders (@eaDir, Thumbs.db, runs) is never an image nor a class; how much was left out is printed.
    """

    name: str
    root: str
    image_size: int
    negative: str = "Negative"
    positive: str = "Positive"

    def index(self) -> Index:
        """What is there, without decoding; prints how many files are left out.

        Raises:
            LeanetError: no root, no known layout in it, a class without images, or files that cannot be read.
        """
        classes = self._files()
        beside = [entry for place in self._places() for entry in subfolders(place)[1]]
        left_out = told([*beside, *(entry for files in classes.values() for entry in files.found)])
        if left_out:
            _tell(self.root, f"{self.name}: {left_out}")
        return self._index(classes)

    def load(self, cache: Path) -> ImageSet:
        """The images at (image_size, image_size), decoded once and then kept in the folder `cache`.

        Raises:
            LeanetError: as `index`, or naming every image that cannot be decoded.
        """
        index, root = self._index(self._files()), self._root()
        paths = [root / name for name in index.names]
        kept = cache / f"{self.name}-{self.image_size}-{index.fingerprint[:12]}.npy"
        return load_cached(kept, index, self.image_size, lambda out: read_images(paths, out, f"decode {self.name}"))

    def _files(self) -> dict[int, Files]:
        """What lies in the folders of each class."""
        root = self._root()
        negatives, positives = self._classes(root)
        classes = {}
        for label, folders in ((NEGATIVE, negatives), (POSITIVE, positives)):
            classes[label] = Files.below(*folders)
            if not classes[label].of(Kind.IMAGE):
                where = ", ".join(str(folder) for folder in folders) or f"{root} (no folder of defects beside `good`)"
                there = f"; {classes[label].left_out}" if classes[label].left_out else ""
                raise LeanetError(f"no images in {where}: put {READS} files there{there}")
        return classes

    def _index(self, classes: dict[int, Files]) -> Index:
        root = self._root()
        paths, labels = [], []
        for label, files in classes.items():
            found = files.of(Kind.IMAGE)
            paths += found
            labels += [label] * len(found)
        if len(set(paths)) < len(paths):
            raise LeanetError(
                f"dataset.negative={self.negative} and dataset.positive={self.positive} overlap: "
                "name two folders that do not contain each other"
            )
        hashes = hashes_of(paths, f"index {self.name}")
        names = [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
        return Index.of(list(zip(names, labels, hashes, strict=True)))

    def _root(self) -> Path:
        if not self.root:
            raise LeanetError("dataset=folder needs dataset.root=DIR, the folder that holds the images")
        root = Path(self.root).expanduser()
        if root.is_dir():
            return root
        if root.exists():
            raise LeanetError(f"dataset.root={self.root}: a file; give the folder that holds the images")
        raise MissingDatasetError(f"dataset.root={self.root}: no such folder; relative paths start at {Path.cwd()}")

    def _has_named_classes(self) -> bool:
        root = self._root()
        return (root / self.negative).is_dir() and (root / self.positive).is_dir()

    def _places(self) -> list[Path]:
        """The folders that have a `good` and folders of defects; none where the classes are named."""
        root = self._root()
        if self._has_named_classes():
            return []
        places = [root] if (root / "good").is_dir() else [root / "train", root / "test"]
        return [place for place in places if (place / "good").is_dir()]

    def _classes(self, root: Path) -> tuple[list[Path], list[Path]]:
        """The folders of the (negatives, positives)."""
        if self._has_named_classes():
            return [root / self.negative], [root / self.positive]
        if places := self._places():
            defects = [folder for place in places for folder in subfolders(place)[0]]
            defects = [folder for folder in defects if folder.name not in {"good", "ground_truth"}]
            return [place / "good" for place in places], defects
        there = ", ".join(folder.name for folder in subfolders(root)[0]) or "none"
        raise LeanetError(
            f"dataset.root={self.root}: looked for the folders {self.negative} and {self.positive}, then for `good`, "
            f"train/good or test/good (MVTec AD); the folders there are: {there}. "
            "Name the classes with dataset.negative=DIR dataset.positive=DIR"
        )


@cache
def _tell(root: str, line: str) -> None:
    """Print the line about `root`, once in a process: a grid looks at a dataset for each of its runs."""
    print(line)
