"""A dataset from a Python program: images as arrays, tensors, PIL images or files, each with a label."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from leanet.data.decode import decode, digest, hashes_of, read_images, to_rgb
from leanet.data.images import Decoded, ImageSet, Index, load_cached
from leanet.data.resize import STRETCH, resized
from leanet.errors import LeanetError

Picture = str | PathLike[str] | NDArray[np.uint8] | Tensor | Image.Image


@dataclass(frozen=True)
class ImageArrays:
    """A `Dataset` of images in memory or in files.

    Args:
        name: of the dataset.
        image_size: S, to which images are resized.
        images: N images, each as for `as_image`.
        labels: (N,), 0 normal and 1 anomalous.
        fit: how images that are not square become square, as for `leanet.data.resize.resized`.
    """

    name: str
    image_size: int
    images: Sequence[Picture] = field(default=(), repr=False)
    labels: ArrayLike = field(default=(), repr=False)
    fit: str = STRETCH

    def index(self) -> Index:
        """Names, labels and hashes of the images, without decoding files.

        Raises:
            LeanetError: no images, the same file twice, another number of labels than images, labels other than 0 and
                1, or a file that cannot be read.
        """
        labels = np.asarray(self.labels)
        if len(self.images) == 0:
            raise LeanetError(f"{self.name}: no images; those of an earlier Python program cannot be read again")
        if labels.shape != (len(self.images),):
            raise LeanetError(f"{len(self.images)} images need as many labels, and not an array {labels.shape}")
        if not np.isin(labels, (0, 1)).all():
            raise LeanetError("labels must be 0 (normal) or 1 (anomalous)")
        if len(set(self._names())) < len(self.images):
            raise LeanetError("the same file is given twice")
        return Index.of(list(zip(self._names(), labels.astype(int).tolist(), self._hashes(), strict=True)))

    def load(self, cache: Path) -> ImageSet:
        """Decode and resize the images, or read them if they are already kept.

        Args:
            cache: the folder in which decoded images are kept.

        Raises:
            LeanetError: as for `index`, or an image that cannot be decoded.
        """
        index = self.index()
        ordered = self.pictures(index)
        kept = cache / f"{self.name}-{self.image_size}-{index.fingerprint[:12]}.npy"
        read = partial(_read, ordered, label=f"decode {self.name}", fit=self.fit)
        return load_cached(kept, index, self.image_size, read, self.fit)

    def pictures(self, index: Index) -> list[Picture]:
        """The images as they were given, in the order of `index`."""
        place_of = {name: place for place, name in enumerate(self._names())}
        return [self.images[place_of[name]] for name in index.names]

    def _names(self) -> list[str]:
        """Unique names: the paths of files, or the numbers of arrays."""
        if files := files_of(self.images):
            return [str(file) for file in files]
        digits = len(str(len(self.images)))
        return [f"image{number:0{digits}}" for number in range(len(self.images))]

    def _hashes(self) -> Sequence[str]:
        if files := files_of(self.images):
            return hashes_of(files, f"index {self.name}")
        return [digest(as_image(image)) for image in self.images]


def as_image(picture: Picture) -> Image.Image:
    """Convert an image to RGB.

    Args:
        picture: an image file; a PIL image, converted like a file; an sRGB array (H, W, 3) uint8; or an sRGB tensor
            (3, H, W), uint8 or floating point in 0…1.

    Raises:
        ValueError: an array or a tensor of another shape, dtype or range, or no image at all.
        UnreadableError: a file that is not a readable image; a LeanetError.
    """
    if isinstance(picture, str | PathLike):
        return decode(Path(picture))
    if isinstance(picture, Image.Image):
        return to_rgb(picture.copy())
    if isinstance(picture, Tensor):
        picture = _as_array(picture)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        kind = f"{picture.shape} {picture.dtype}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ValueError(f"images are files, PIL images, tensors (3, H, W) or arrays (H, W, 3) uint8, not {kind}")
    return Image.fromarray(picture)


def _as_array(tensor: Tensor) -> NDArray[np.uint8]:
    """(3, H, W), uint8 or in 0…1 → (H, W, 3) uint8."""
    if tensor.ndim != 3 or len(tensor) != 3:
        raise ValueError(f"an image as a tensor is (3, H, W), not {tuple(tensor.shape)}")
    if tensor.is_floating_point():
        if not ((tensor >= 0) & (tensor <= 1)).all():  # not a number is neither
            raise ValueError("an image as a floating point tensor is in 0…1")
        tensor = (tensor * 255).round().byte()
    array: NDArray[np.uint8] = tensor.permute(1, 2, 0).cpu().numpy()
    return array


def files_of(images: Sequence[Picture]) -> list[Path]:
    """The paths of the images if all are files; otherwise none."""
    found = [Path(image) for image in images if isinstance(image, str | PathLike)]
    return found if len(found) == len(images) else []


def _read(pictures: Sequence[Picture], out: NDArray[np.uint8], label: str, fit: str) -> Decoded:
    if files := files_of(pictures):
        return read_images(files, out, label, fit)
    images = [as_image(picture) for picture in pictures]
    for place, image in enumerate(images):
        out[place] = resized(image, out.shape[-1], fit)
    return Decoded(tuple(map(digest, images)), np.array([image.size for image in images], dtype=np.int64))
