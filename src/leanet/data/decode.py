"""Image files to sRGB pixels, whatever the camera, scanner or editor put into them."""

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
from tqdm import tqdm

from leanet.data import tiff
from leanet.data.images import Decoded
from leanet.data.readers import MAX_TEXT, open_file, opened
from leanet.data.room import Room
from leanet.errors import LeanetError

_ROOM = Room((os.cpu_count() or 1) << 25)  # 34 megapixels for each thread
# What Pillow opens these formats as, and the mode that keeps the colour of it for an ICC profile to act on.
_COLOR_MODES = {
    **dict.fromkeys(("1", "L", "LA", "La"), "L"),
    **dict.fromkeys(("P", "PA", "RGB", "RGBA", "YCbCr"), "RGB"),
    "CMYK": "CMYK",
}
_SAME_COLOR = 2  # levels of 255 by which two descriptions of sRGB itself differ

_ROWS = 256
_SHOWN = 10  # of many files that cannot be read, as many are named

T = TypeVar("T")


class UnreadableError(LeanetError):
    """A file that gives no image; `reason` says in a few words why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{shown(path)} cannot be read: {reason}")
        self.reason = reason


def decode(path: Path) -> Image.Image:
    """The image in `path`, the first where there are several: mode RGB, 8 bit, sRGB, upright, transparency on white.

    Raises:
        UnreadableError: the file is missing, no image, damaged, too large, or of a kind whose colours are unknown.
    """
    with decoded(path) as image:
        return image


@contextmanager
def decoded(path: Path) -> Iterator[Image.Image]:
    """As `decode`, for threads: the image's room in the memory is taken until the block ends."""
    with ExitStack() as stack:
        try:
            image = stack.enter_context(opened(stack.enter_context(open_file(path))))
            stack.enter_context(_ROOM.taken(image.width * image.height))
            rgb = to_rgb(image)
        except Exception as error:  # Pillow's readers raise nearly anything on damaged files
            raise UnreadableError(path, _reason(path, error)) from error
        yield rgb


def resized(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """An RGB image as a (3, size, size) uint8 array; antialiased bicubic where the size differs."""
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def read_images(paths: Sequence[Path], images: NDArray[np.uint8], label: str) -> Decoded:
    """Decode `paths` in parallel, in their order, into `images` (N, 3, S, S), under a progress bar named `label`.

    Raises:
        LeanetError: naming every file that cannot be read, with its reason.
    """

    def read(position: int, path: Path) -> tuple[str, tuple[int, int]]:
        with decoded(path) as image:
            images[position] = resized(image, images.shape[-1])
            return digest(image), image.size

    pixels, sizes = zip(*each(read, paths, label), strict=True)
    return Decoded(pixels, np.array(sizes, dtype=np.int64))


def each(job: Callable[[int, Path], T], paths: Sequence[Path], label: str, kind: str = "images") -> tuple[T, ...]:
    """What job(position, path) returns for every path, run in threads; all UnreadableErrors become one LeanetError."""

    def attempt(position: int) -> T | UnreadableError:
        try:
            return job(position, paths[position])
        except UnreadableError as error:
            return error

    # Not `with`: on Ctrl-C that would first work through everything still queued.
    threads = ThreadPoolExecutor(os.cpu_count())
    try:
        done = threads.map(attempt, range(len(paths)))
        outcomes = list(tqdm(done, label, len(paths), leave=False, disable=None, unit="image", delay=0.5))
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
    """SHA-256 of each file's bytes, under a progress bar named `label`; LeanetError names all that cannot be read."""

    def sha256(_: int, path: Path) -> str:
        try:
            with open_file(path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableError(path, error.strerror or str(error)) from error

    return each(sha256, paths, label)


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB, 8 bit, sRGB, upright, transparency on white; `image` itself may be changed."""
    profile = image.info.get("icc_profile")
    tiff.check_layout(image)
    image.load()
    tiff.mend_color_map(image)
    _turn_upright(image)
    color, alpha = _planes(image)
    return _on_white(_to_srgb(color, profile), alpha)


def _turn_upright(image: Image.Image) -> None:
    """Apply the EXIF orientation in place; damaged EXIF counts as none, as in every viewer."""
    with suppress(SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


def _planes(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The image as (colour of mode L, RGB or CMYK; alpha of mode L or None), values not yet colour managed."""
    if image.mode.startswith("I"):
        return _grey_from_16_bit(image), None
    if image.mode not in _COLOR_MODES:
        kind = "32-bit float values, whose white is unknown" if image.mode == "F" else f"mode {image.mode}"
        raise ValueError(f"{kind}: save it as 8 or 16 bit grey or RGB")
    mode = _COLOR_MODES[image.mode]
    if not image.has_transparency_data or _has_unused_alpha(image):
        return _in_mode(image, mode), None
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")  # La converts to nothing but LA
    return rgba.convert("RGB").convert(mode), rgba.getchannel("A")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """As `convert`, which would copy an image that is of this mode."""
    return image if image.mode == mode else image.convert(mode)


def _has_unused_alpha(image: Image.Image) -> bool:
    """Whether the fourth channel is 0 everywhere, in a file of a kind that programs without alpha write as well."""
    if image.mode != "RGBA" or not (isinstance(image, BmpImageFile) or tiff.has_undeclared_alpha(image)):
        return False
    return image.getchannel("A").getextrema() == (0, 0)


def _grey_from_16_bit(image: Image.Image) -> Image.Image:
    """Mode L from a mode of more than 8 bits whose values fit in 16; Pillow's own conversion would clip at 255."""
    values = np.asarray(image).astype(np.int64)
    white, is_inverted = tiff.grey_range(image)
    if is_inverted:
        values = white - values
    if values.min() < 0 or values.max() > white:
        raise ValueError(f"grey values {values.min()} to {values.max()} do not fit in 16 bits")
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _to_srgb(color: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB from L, RGB or CMYK through the embedded ICC profile; by plain conversion if that is absent or unusable.

    Pixels stay untouched where the profile is sRGB in one of its many spellings: rounding would make two equal
    pictures differ.
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
    except (ImageCms.PyCMSError, OSError):  # damaged, or for another kind of image than this one
        return plain
    samples = _samples(color.mode)
    moved = np.asarray(transform.apply(samples)).astype(np.int64) - np.asarray(samples.convert("RGB"))
    return plain if np.abs(moved).max() <= _SAME_COLOR else transform.apply(color)


def _samples(mode: str) -> Image.Image:
    """A small image of `mode` with colours from all over its cube, to see what a profile does."""
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
    """Why `path` gives no image, in a few words on one line."""
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than Pillow reads of this format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if "MAX_TEXT" in text:
        return f"more than {MAX_TEXT >> 20} MB of text or colour profile in it: save it without them"
    return " ".join(text.split()) or type(error).__name__


def digest(image: Image.Image) -> str:
    """SHA-256 of an image's size and pixels, which are copied a few rows at a time."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    for top in range(0, image.height, _ROWS):
        digest.update(image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes())
    return digest.hexdigest()


def _listed(failures: Sequence[str]) -> str:
    """The failures in one line; of many the first, and the file that has all."""
    if len(failures) <= _SHOWN:
        return ", ".join(failures)
    with NamedTemporaryFile("w", prefix="leanet-unreadable-", suffix=".txt", encoding="utf-8", delete=False) as file:
        file.writelines(f"{failure}\n" for failure in failures)
    return f"{', '.join(failures[:_SHOWN])} and {len(failures) - _SHOWN} more; {file.name} lists all"


def shown(path: Path | str) -> str:
    """The path on one line, even if its name has a line break."""
    return str(path) if str(path).isprintable() else repr(str(path))
