"""Pixel masks of anomalous images, in MVTec AD's layout: ground_truth/DEFECT/NAME_mask.png for test/DEFECT/NAME.png."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leanet.data.images import POSITIVE, ImageSet
from leanet.data.readers import open_file, open_image
from leanet.data.resize import STRETCH, fitted
from leanet.errors import LeanetError

FOLDER = "ground_truth"
_ENDING = "_mask"
_READ_IN = {"P": "P", "1": "L", "L": "L", "I;16": "I", "I": "I"}  # Pillow's modes; others are read as RGBA


@dataclass(frozen=True)
class Masks:
    """Where the images of a dataset are anomalous.

    Args:
        files: of the masks, by row of the anomalous images that have one.
        images: all images of the dataset.
        cut_off: the number of masks that have no anomalous pixel left in the square that networks see.
    """

    files: dict[int, Path]
    images: ImageSet
    cut_off: int = 0

    @property
    def incomplete(self) -> str | None:
        """How many anomalous images have a mask, and how many masks are cut off, for people; None if all are whole."""
        positives = int((self.images.labels == POSITIVE).sum())
        notes = []
        if len(self.files) != positives:
            notes.append(f"{len(self.files)} of {positives} anomalous images have a mask")
        if self.cut_off:
            notes.append(f"dataset.fit={self.images.fit} leaves nothing of {self.cut_off} of {len(self.files)} masks")
        return "; ".join(notes) or None

    def at(self, row: int) -> NDArray[np.bool_] | None:
        """The mask (S, S) of an image; None if its anomalous pixels are not known."""
        is_known = self.images.labels[row] != POSITIVE or int(row) in self.files
        return self.of([row])[0] if is_known else None

    def known(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some rows whose anomalous pixels are known: normal images, which have none, and images with a mask.

        It is empty if none of them has a mask.
        """
        masked = [row for row in rows if int(row) in self.files]
        known = [row for row in rows if self.images.labels[row] != POSITIVE or int(row) in self.files]
        return np.array(known if masked else [], dtype=np.int64)

    def of(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """The masks (n, S, S) of images whose anomalous pixels are known.

        Raises:
            LeanetError: a mask that cannot be read.
        """
        size = self.images.map_size
        masks = np.zeros((len(rows), size, size), dtype=bool)
        for place, row in enumerate(rows):
            if file := self.files.get(int(row)):
                masks[place] = _read(file, size, self.images.sizes[row], self.images.fit)
        return masks


def masks_of(root: str | None, images: ImageSet) -> Masks | None:
    """The masks of a dataset.

    Args:
        root: the dataset's folder; None for a dataset without one.
        images: all images of the dataset.

    Returns:
        None without a folder `ground_truth`, unless the index of the images has masks.

    Raises:
        LeanetError: a mask that cannot be read, is empty, or has another shape than its image.
    """
    files = _named(images) if images.index.masks else _beside(root, images)
    if files is None:
        return None
    whole, masks = Masks(files, replace(images, fit=STRETCH)), Masks(files, images)
    for row in files:
        if not whole.of([row]).any():
            raise LeanetError(f"{files[row]}: a mask without an anomalous pixel, of an anomalous image")
    if images.fit == STRETCH:
        return masks
    return replace(masks, cut_off=sum(not masks.of([row]).any() for row in files))


def _named(images: ImageSet) -> dict[int, Path]:
    """The masks that came with the images, by row."""
    names, masks = images.index.names, images.index.masks
    return {row: masks[names[row]] for row in np.flatnonzero(images.labels == POSITIVE).tolist() if names[row] in masks}


def _beside(root: str | None, images: ImageSet) -> dict[int, Path] | None:
    """The masks in `ground_truth`, by row; None if there is no such folder."""
    folder = Path(root).expanduser() / FOLDER if root else None
    if folder is None or not folder.is_dir():
        return None
    there = {_key(file.relative_to(folder).as_posix()): file for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {}
    for row in np.flatnonzero(images.labels == POSITIVE).tolist():
        name = PurePosixPath(images.index.names[row])
        inside = PurePosixPath(*name.parts[1:])  # without test/
        if file := there.get(_key(inside.as_posix())) or there.get(_key(name.as_posix())):
            files[row] = file
    return files


def _key(name: str) -> str:
    """What a mask and its image have in common: folder and name, without endings."""
    path = PurePosixPath(name)
    return (path.parent / path.stem.removesuffix(_ENDING)).as_posix()


def _read(file: Path, size: int, shape: NDArray[np.int64], fit: str) -> NDArray[np.bool_]:
    """(S, S): anomalous where the mask is not black, by the nearest pixel; padded pixels are normal."""
    try:
        with open_file(file) as opened, open_image(opened) as image:
            (width, height), (of_width, of_height) = image.size, map(int, shape)
            if abs(width * of_height - height * of_width) > 0.02 * height * of_width:
                raise ValueError(f"{width}×{height} pixels, another shape than its image of {of_width}×{of_height}")
            mask = Image.fromarray(_marked(image))
            square = fitted(mask, size, fit, Image.Resampling.NEAREST, of=(of_width, of_height))
            return np.asarray(square) > 0
    except (OSError, ValueError) as error:
        raise LeanetError(f"{file}: a mask that cannot be read: {error}") from error


def _marked(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W), 255 where a mask marks a pixel: not black, not index 0 of a palette, and not transparent."""
    if image.mode in _READ_IN:
        marked = np.asarray(image.convert(_READ_IN[image.mode]) if image.mode != "P" else image) > 0
    else:
        values = np.asarray(image.convert("RGBA"))
        marked = values[..., :3].any(axis=-1) & (values[..., 3] > 0)
    return marked.astype(np.uint8) * 255
