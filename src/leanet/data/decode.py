"""Decode image files of cameras, scanners and editors to sRGB pixels."""

import hashlib
import io
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from PIL.BmpImagePlugin import BmpImageFile

from leanet.data import tiff
from leanet.data.images import Decoded
from leanet.data.readers import MAX_TEXT, open_file, open_image
from leanet.data.resize import STRETCH, resized
from leanet.data.room import Room
from leanet.errors import LeanetError
from leanet.progress import progress

_ROOM = Room((os.cpu_count() or 1) << 25)  # 34 megapixels for each thread
# For each of Pillow's modes, the mode to convert to before the ICC profile is applied.
_COLOR_MODES = {
    **dict.fromkeys(("1", "L", "LA", "La"), "L"),
    **dict.fromkeys(("P", "PA", "RGB", "RGBA", "YCbCr"), "RGB"),
    "CMYK": "CMYK",
}
_SAME_COLOR = 2  # levels of 255; profiles that are meant to be sRGB differ by at most this

_ROWS = 256
_SHOWN = 10  # unreadable files that an error message names

T = TypeVar("T")


class UnreadableError(LeanetError):
    """An image file that cannot be read.

    Args:
        path: of the file.
        reason: why, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{shown(path)} cannot be read: {reason}")
        self.reason = reason


def decode(path: Path) -> Image.Image:
    """Read an image file; the first image if it has several.

    The ICC profile and the EXIF orientation are applied, and transparent pixels are placed on white.

    Args:
        path: of the file.

    Returns:
        an image of mode RGB, 8 bit, sRGB.

    Raises:
        UnreadableError: the file is missing, not an image, damaged, too large, or its colours are not defined.
    """
    with decoded(path) as image:
        return image


@contextmanager
def decoded(path: Path) -> Iterator[Image.Image]:
    """A context with the image of a file, as `decode` reads it; limits the memory of images in concurrent threads."""
    with ExitStack() as stack:
        try:
            image = stack.enter_context(open_image(stack.enter_context(open_file(path))))
            stack.enter_context(_ROOM.taken(image.width * image.height))
            rgb = to_rgb(image)
        except Exception as error:  # Pillow's readers raise many exception classes on damaged files
            raise UnreadableError(path, _reason(path, error)) from error
        yield rgb


def read_images(paths: Sequence[Path], images: NDArray[np.uint8], label: str, fit: str = STRETCH) -> Decoded:
    """Decode and resize image files in threads.

    Args:
        paths: of N files.
        images: (N, 3, S, S) uint8, which is filled.
        label: of the progress bar.
        fit: as for `resized`.

    Raises:
        LeanetError: files that cannot be read; the message names them with the reasons.
    """

    def read(position: int, path: Path) -> tuple[str, tuple[int, int]]:
        with decoded(path) as image:
            images[position] = resized(image, images.shape[-1], fit)
            return digest(image), image.size

    pixels, sizes = zip(*each(read, paths, label), strict=True)
    return Decoded(pixels, np.array(sizes, dtype=np.int64))


def each(job: Callable[[int, Path], T], paths: Sequence[Path], label: str, kind: str = "images") -> tuple[T, ...]:
    """Call `job(position, path)` for every path, in threads.

    Args:
        job: the function, which may raise UnreadableError.
        paths: of the files.
        label: of the progress bar.
        kind: what the files are, for the error message.

    Returns:
        the results, in the order of `paths`.

    Raises:
        LeanetError: all UnreadableErrors together.
    """

    def attempt(position: int) -> T | UnreadableError:
        try:
            return job(position, paths[position])
        except UnreadableError as error:
            return error

    # Not `with`, which on Ctrl-C would wait for all queued jobs.
    threads = ThreadPoolExecutor(os.cpu_count())
    try:
        done = threads.map(attempt, range(len(paths)))
        outcomes = list(progress(done, label=label, total=len(paths), unit="image", leave=False, delay=0.5))
    finally:
        threads.shutdown(cancel_futures=True)
    failures = [
        f"{shown(path)} ({outcome.reason})"
        for path, outcome in zip(paths, outcomes, strict=True)
        if isinstance(outcome, UnreadableError)
    ]
    if failures:
        raise LeanetError(f"{len(failures)} of {len(paths)} {kind} cannot be read: {_listed(failures)}")
    return tuple(outcome for outcome in outcomes if not isinstance(outcome, UnreadableError))


def hashes_of(paths: Sequence[Path], label: str) -> tuple[str, ...]:
    """SHA-256 of each file's bytes. Arguments and errors as for `each`."""

    def sha256(_: int, path: Path) -> str:
        try:
            with open_file(path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableError(path, error.strerror or str(error)) from error

    return each(sha256, paths, label)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an opened image as `decode` describes. `image` itself may be changed."""
    profile = image.info.get("icc_profile")
    tiff.check_layout(image)
    image.load()
    tiff.mend_color_map(image)
    _turn_upright(image)
    color, alpha = _planes(image)
    return _on_white(_to_srgb(color, profile), alpha)


def _turn_upright(image: Image.Image) -> None:
    """Apply the EXIF orientation in place; damaged EXIF data is ignored, as image viewers do."""
    with suppress(SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


def _planes(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colour of an image (mode L, RGB or CMYK, before colour management) and its alpha (mode L or None)."""
    if image.mode.startswith("I"):
        return _grey_from_16_bit(image), None
    if image.mode not in _COLOR_MODES:
        kind = "32-bit float values, whose white is unknown" if image.mode == "F" else f"mode {image.mode}"
        raise ValueError(f"{kind}: save it as 8 or 16 bit grey or RGB")
    mode = _COLOR_MODES[image.mode]
    if not image.has_transparency_data or _has_unused_alpha(image):
        return _in_mode(image, mode), None
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")  # Pillow converts La to LA only
    return rgba.convert("RGB").convert(mode), rgba.getchannel("A")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode, without a copy if it has that mode already."""
    return image if image.mode == mode else image.convert(mode)


def _has_unused_alpha(image: Image.Image) -> bool:
    """Whether the fourth channel is 0 everywhere, in a format in which it is not always alpha (BMP, some TIFF)."""
    if image.mode != "RGBA" or not (isinstance(image, BmpImageFile) or tiff.has_undeclared_alpha(image)):
        return False
    return image.getchannel("A").getextrema() == (0, 0)


def _grey_from_16_bit(image: Image.Image) -> Image.Image:
    """Convert grey of more than 8 bits, with values that fit in 16, to mode L. Pillow would clip values at 255."""
    values = np.asarray(image).astype(np.int64)
    white, is_inverted = tiff.grey_range(image)
    if is_inverted:
        values = white - values
    if values.min() < 0 or values.max() > white:
        raise ValueError(f"grey values {values.min()} to {values.max()} do not fit in 16 bits")
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _to_srgb(color: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert L, RGB or CMYK to sRGB by the embedded ICC profile, or without one if it is missing or unusable.

    If the profile describes sRGB itself, pixels are not changed: rounding would make equal images differ.
    """
    plain = _in_mode(color, "RGB")
    if not profile:
        return plain
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            color.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):  # damaged, or for images of another mode
        return plain
    samples = _samples(color.mode)
    moved = np.asarray(transform.apply(samples)).astype(np.int64) - np.asarray(samples.convert("RGB"))
    return plain if np.abs(moved).max() <= _SAME_COLOR else transform.apply(color)


def _samples(mode: str) -> Image.Image:
    """A small image with a grid of all colours of a mode, to test what a profile changes."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = np.linspace(0, 255, 256 if channels == 1 else 6).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * channels), axis=-1).reshape(-1, channels)
    return Image.frombytes(mode, (len(grid), 1), grid.tobytes())


def _on_white(rgb: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is None:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _reason(path: Path, error: Exception) -> str:
    """Why an image cannot be read, in a few words on one line."""
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than Pillow reads of this format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if "MAX_TEXT" in text:
        return f"more than {MAX_TEXT >> 20} MB of text or colour profile in it: save it without them"
    return " ".join(text.split()) or type(error).__name__


def digest(image: Image.Image) -> str:
    """SHA-256 of an image's size and pixels, computed a few rows at a time to save memory."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    for top in range(0, image.height, _ROWS):
        digest.update(image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes())
    return digest.hexdigest()


def _listed(failures: Sequence[str]) -> str:
    """The failures in one line; if there are many, the first ones and a file with all of them."""
    if len(failures) <= _SHOWN:
        return ", ".join(failures)
    with NamedTemporaryFile("w", prefix="leanet-unreadable-", suffix=".txt", encoding="utf-8", delete=False) as file:
        file.writelines(f"{failure}\n" for failure in failures)
    return f"{', '.join(failures[:_SHOWN])} and {len(failures) - _SHOWN} more; {file.name} lists all"


def shown(path: Path | str) -> str:
    """The path for messages, on one line even if it has line breaks."""
    return str(path) if str(path).isprintable() else repr(str(path))
