"""Open image files with a fixed list of Pillow's readers and a limit of pixels."""

import os
import stat
from collections.abc import Callable
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from PIL import PngImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from leanet.data.files import HEIC_BRANDS, HEIC_EXTRA, READS, reads_heic

MAX_PIXELS = "LEANET_MAX_PIXELS"  # an environment variable
_MAX_PIXELS = 300_000_000  # if it is not set
MAX_TEXT = 1 << 26  # bytes of text or of a colour profile in a PNG; editors write more than Pillow's limit of 1 MB
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MAX_TEXT


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; OSError if it is not a regular file, since a pipe would block."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError("not a regular file")
    return path.open("rb")


@cache
def _readers() -> list[Callable[[BinaryIO], ImageFile]]:
    """The readers that are used, so that a file cannot start other ones of Pillow (EPS would run Ghostscript)."""
    readers: list[Callable[[BinaryIO], ImageFile]] = [
        jpeg_factory, PngImageFile, TiffImageFile, BmpImageFile, WebPImageFile,
    ]  # fmt: skip
    if reads_heic():
        from pillow_heif import HeifImageFile  # the extra `heic`

        readers.append(HeifImageFile)
    return readers


def open_image(file: BinaryIO) -> ImageFile:
    """Open an image without decoding it. Unlike `Image.open`, it uses leanet's limit of pixels, not Pillow's.

    Raises:
        ValueError: the file is not an image of these formats, or has more pixels than `LEANET_MAX_PIXELS`.
    """
    for reader in _readers():
        file.seek(0)
        try:
            image = reader(file)
        except SyntaxError:  # of another format
            continue
        pixels, most = image.width * image.height, _max_pixels()
        if pixels > most:
            raise ValueError(f"{pixels} pixels, more than {MAX_PIXELS}={most}: set that higher if you trust the file")
        return image
    raise ValueError(_not_identified(file))


def _max_pixels() -> int:
    text = os.environ.get(MAX_PIXELS, str(_MAX_PIXELS))
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{MAX_PIXELS}={text}: must be a number of pixels") from None


def _not_identified(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(12)
    if not start:
        return "empty file"
    return HEIC_EXTRA if start[4:] in HEIC_BRANDS else f"not a {READS} that Pillow can read"
