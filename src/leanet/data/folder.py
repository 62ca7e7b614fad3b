"""A dataset from folders of images: one folder for each class, or MVTec AD's layout."""

import os
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path, PurePosixPath

from leanet.data.decode import hashes_of, read_images
from leanet.data.files import READS, Files, Kind, subfolders, told
from leanet.data.images import NEGATIVE, POSITIVE, ImageSet, Index, load_cached
from leanet.data.resize import STRETCH
from leanet.data.words import words_of
from leanet.errors import LeanetError, MissingDatasetError


@dataclass(frozen=True)
class ImageFolder:
    """A `Dataset` of the images under a folder.

    The classes are root/<negative> and root/<positive>, searched recursively. If those are missing, MVTec AD's layout
    is used: `good` in root (or in root/train and root/test) has the negatives, all other folders beside a `good` are
    types of defects and thus positive, and `ground_truth` is left out. Files and folders of systems and of leanet
    (@eaDir, Thumbs.db, runs) are neither images nor classes.

    Args:
        name: of the dataset.
        root: the folder.
        image_size: S, to which images are resized.
        negative: the folder of normal images, relative to root.
        positive: the folder of anomalous images, relative to root.
        groups: how images are grouped, as for `leanet.data.words.words_of`; None: they are not.
        kinds: where kinds of anomalies come from, likewise; None: in MVTec AD's layout, the folders of defects.
        fit: how images that are not square become square, as for `leanet.data.resize.resized`.
    """

    name: str
    root: str
    image_size: int
    negative: str = "Negative"
    positive: str = "Positive"
    groups: str | None = None
    kinds: str | None = None
    fit: str = STRETCH

    def index(self) -> Index:
        """Names, labels and hashes of the images, without decoding. Prints the number of files that are left out.

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
        """Decode and resize the images, or read them if they are already kept.

        Args:
            cache: the folder in which decoded images are kept.

        Raises:
            LeanetError: as for `index`, or images that cannot be decoded; the message names them.
        """
        index = self._index(self._files())
        paths = self.pictures(index)
        kept = cache / f"{self.name}-{self.image_size}-{index.fingerprint[:12]}.npy"
        read = partial(read_images, paths, label=f"decode {self.name}", fit=self.fit)
        return load_cached(kept, index, self.image_size, read, self.fit)

    def pictures(self, index: Index) -> list[Path]:
        """The image files in the order of `index`."""
        return [self._root() / name for name in index.names]

    def _files(self) -> dict[int, Files]:
        """The files in the folders of each class, by label."""
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
        entries = list(zip(names, labels, hashes, strict=True))
        return Index.of(entries, groups=self._groups(names), kinds=self._kinds(entries))

    def _groups(self, names: list[str]) -> dict[str, str] | None:
        return words_of("dataset.groups", self.groups, "group", self._inside(names)) if self.groups else None

    def _kinds(self, entries: list[tuple[str, int, str]]) -> dict[str, str] | None:
        """The kinds of the positives by name; None if they are not known."""
        positives = [name for name, label, _ in entries if label == POSITIVE]
        if self.kinds:
            return words_of("dataset.kinds", self.kinds, "kind", self._inside(positives))
        return None if self._has_named_classes() else {name: self._folder(name).name for name in positives}

    def _inside(self, names: list[str]) -> dict[str, PurePosixPath]:
        """By name, the path of each image below the folder of its class."""
        return {name: PurePosixPath(name).relative_to(self._folder(name)) for name in names}

    def _folder(self, name: str) -> PurePosixPath:
        """The folder of an image's class, relative to root."""
        return next(folder for folder in self._class_folders if folder in PurePosixPath(name).parents)

    @cached_property
    def _class_folders(self) -> list[PurePosixPath]:
        root = self._root()
        negatives, positives = self._classes(root)
        return [PurePosixPath(os.path.relpath(folder, root).replace(os.sep, "/")) for folder in negatives + positives]

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
        """The folders that contain `good` and folders of defects; none if the classes have their own folders."""
        root = self._root()
        if self._has_named_classes():
            return []
        places = [root] if (root / "good").is_dir() else [root / "train", root / "test"]
        return [place for place in places if (place / "good").is_dir()]

    def _classes(self, root: Path) -> tuple[list[Path], list[Path]]:
        """The folders of negatives and of positives."""
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
    """Print a line about `root` once in a process, although a grid indexes the dataset for each of its runs."""
    print(line)
