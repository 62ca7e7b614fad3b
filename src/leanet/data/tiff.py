"""TIFF files that Pillow would read with wrong colours: they are rejected or corrected."""

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    COMPRESSION,
    EXTRASAMPLES,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

_UNCOMPRESSED, _PLANES, _SIGNED, _INKSET, _OTHER_INKS, _WHITE_IS_ZERO = 1, 2, 2, 332, 2, 0


def check_layout(image: Image.Image) -> None:
    """Raise ValueError for a TIFF file whose values Pillow misinterprets."""
    if not isinstance(image, TiffImageFile):
        return
    tags, bits = image.tag_v2, image.tag_v2.get(BITSPERSAMPLE, (1,))
    planes = len(bits) > 1 and tags.get(PLANAR_CONFIGURATION) == _PLANES
    if planes and max(bits) > 8 and tags.get(COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED:
        raise ValueError("16-bit channels one after another, uncompressed: save it interleaved or compressed")
    if _SIGNED in tags.get(SAMPLEFORMAT, ()) and max(bits) < 32:
        raise ValueError("signed values, whose white is unknown: save it as unsigned 8 or 16 bit")
    if tags.get(_INKSET) == _OTHER_INKS:
        raise ValueError("inks other than cyan, magenta, yellow and black: save it as RGB")


def mend_color_map(image: Image.Image) -> None:
    """Correct the palette of a loaded TIFF image in place if it has 8-bit values, which Pillow reads as 16-bit."""
    if isinstance(image, TiffImageFile) and image.mode in ("P", "PA"):
        colors = np.array(image.tag_v2.get(COLORMAP, ()))
        if colors.size and colors.max() < 256:
            image.putpalette(colors.reshape(3, -1).T.astype(np.uint8).tobytes())


def has_undeclared_alpha(image: Image.Image) -> bool:
    """Whether an image is a TIFF file that does not declare its extra channels, such as alpha."""
    return isinstance(image, TiffImageFile) and EXTRASAMPLES not in image.tag_v2


def grey_range(image: Image.Image) -> tuple[int, bool]:
    """The range of a grey image of more than 8 bits.

    Returns:
        the largest possible value; whether 0 is white, which Pillow does not convert.
    """
    if not isinstance(image, TiffImageFile):
        return 65535, False
    white = 4095 if image.tag_v2.get(BITSPERSAMPLE) == (12,) else 65535
    return white, image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
