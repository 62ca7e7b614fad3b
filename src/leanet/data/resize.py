"""How a photograph becomes the square that networks see."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STRETCH, PAD, CROP = "stretch", "pad", "crop"
GREY = (128, 128, 128)

Box = tuple[float, float, float, float]


def resized(image: Image.Image, size: int, fit: str = STRETCH) -> NDArray[np.uint8]:
    """Resize an RGB image to a square by bicubic interpolation with antialiasing.

    `fit` makes no difference to a square image. Any other image is changed as follows:

    - `stretch`: it is resized to the square; its aspect ratio is lost.
    - `pad`: its longer side becomes S. It is centred, and the rest is filled with mid-grey (128, 128, 128). Grey has no
      colour. A trained colorizer predicts this, so that the anomaly map is close to 0 there.
    - `crop`: its shorter side becomes S, and only the centre is kept.

    Pillow's `ImageOps.pad` and `ImageOps.fit` give the same pixels.

    Args:
        image: of mode RGB.
        size: S; an image of that size is not changed.
        fit: `stretch`, `pad` or `crop`.

    Returns:
        (3, S, S) uint8.
    """
    square = fitted(image, size, fit, Image.Resampling.BICUBIC, GREY)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def fitted(
    image: Image.Image,
    size: int,
    fit: str,
    resampling: Image.Resampling,
    fill: float | tuple[int, ...] = 0,
    of: tuple[int, int] | None = None,
) -> Image.Image:
    """Resize an image of any mode to a square, as `resized` does.

    Args:
        image: a photograph, or a mask or map of one.
        size: S.
        fit: `stretch`, `pad` or `crop`.
        resampling: the interpolation.
        fill: the value of padded pixels.
        of: for a mask or map, width and height of its photograph, so that it covers the same part of the square even if
            its own size differs; None: those of `image`.
    """
    width, height = of or image.size
    if fit == STRETCH or width == height:
        return image if image.size == (size, size) else image.resize((size, size), resampling)
    left, top, right, bottom = seen_part(width, height, fit)
    if fit == CROP:
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
        return image.resize((size, size), resampling, box)
    inner = [max(1, round(side / max(width, height) * size)) for side in (width, height)]
    square = Image.new(image.mode, (size, size), fill)
    square.paste(image.resize((inner[0], inner[1]), resampling), (_margin(size, inner[0]), _margin(size, inner[1])))
    return square


def seen_part(width: float, height: float, fit: str) -> Box:
    """The part of a photograph that becomes the square: left, top, right and bottom.

    With `pad`, it is larger than the photograph, so that left or top is negative.
    """
    if fit == STRETCH:
        return 0, 0, width, height
    if fit not in (PAD, CROP):
        raise ValueError(f"fit={fit}: must be {STRETCH}, {PAD} or {CROP}")
    side = max(width, height) if fit == PAD else min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _margin(size: int, inner: int) -> int:
    return round((size - inner) / 2)
