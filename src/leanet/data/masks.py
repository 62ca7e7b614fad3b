"""Pixel masks of anomalous images, in MVTec AD's layout: ground_truth/DEFECT/NAME_mask.png for test/DEFECT/NAME.png."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leanet.data.images import POSITIVE, ImageSet
from leanet.data.readers import open_file, open_image
from leanet.errors import LeanetError

FOLDER = "ground_truth"


class Masks(NamedTuple):
    """Where images are anomalous.

    Args:
        rows: (n,) of the images whose anomalous pixels are known: all normal images, which have none, and the anomalous
            ones with a mask.
        masks: (n, S, S) bool.
    """

    rows: NDArray[np.int64]
    masks: NDArray[np.bool_]

    def of(self, row: int) -> NDArray[np.bool_] | None:
        """The mask (S, S) of an image; None if it is not known."""
        places = np.flatnonzero(self.rows == row)
        return self.masks[places[0]] if len(places) else None


def masks_of(root: str | None, images: ImageSet, rows: NDArray[np.int64]) -> Masks | None:
    """The masks of some images of a dataset.

    Args:
        root: the dataset's folder; None for a dataset without one.
        images: all images of the dataset.
        rows: of the images.

    Returns:
        None if none of them has a mask.

    Raises:
        LeanetError: a mask that cannot be read.
    """
    folder = Path(root).expanduser() / FOLDER if root else None
    if folder is None or not folder.is_dir():
        return None
    files = {int(row): _file(folder, images.index.names[row]) for row in rows if images.labels[row] == POSITIVE}
    if not any(files.values()):
        return None
    known = np.array([row for row in rows if files.get(int(row), folder)], dtype=np.int64)
    masks = np.zeros((len(known), *images.images.shape[-2:]), dtype=bool)
    for place, row in enumerate(known):
        if file := files.get(int(row)):
            masks[place] = _read(file, masks.shape[-1])
    return Masks(known, masks)


def _file(folder: Path, name: str) -> Path | None:
    """The mask of an image, named by its path in the dataset; None if there is none."""
    return next((file for file in _places(folder, PurePosixPath(name)) if file.is_file()), None)


def _places(folder: Path, image: PurePosixPath) -> Iterator[Path]:
    inner = PurePosixPath(*image.parts[1:])  # without test/
    for place in (inner, image):
        for ending in ("_mask.png", ".png"):
            yield folder / place.parent / f"{place.stem}{ending}"


def _read(file: Path, size: int) -> NDArray[np.bool_]:
    """(S, S): anomalous where the mask is not black, by the nearest pixel."""
    try:
        with open_file(file) as opened, open_image(opened) as image:
            return np.asarray(image.convert("L").resize((size, size), Image.Resampling.NEAREST)) > 0
    except (OSError, ValueError) as error:
        raise LeanetError(f"{file}: a mask that cannot be read: {error}") from error
