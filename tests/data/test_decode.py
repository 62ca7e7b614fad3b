import io
import os
import re
import resource
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageCms, PngImagePlugin
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngInfo

from leanet.data import readers
from leanet.data.decode import UnreadableError, decode, read_images
from leanet.data.resize import resized
from leanet.errors import LeanetError

RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [200, 100, 50], [90, 90, 90]]], np.uint8)
FAITHFUL: dict[str, dict[str, Any]] = {".webp": {"lossless": True}, ".jpg": {"quality": 95, "subsampling": 0}}
GREY16 = np.array([[0, 128, 129, 257], [1000, 32896, 65534, 65535]], np.uint16)


def pixels(path: Path) -> NDArray[np.int64]:
    image = decode(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def as_opencv_reads(path: Path) -> NDArray[Any]:
    image = cv2.imread(str(path))
    assert image is not None
    return image[..., ::-1]


def palette(*colors: tuple[int, int, int]) -> Image.Image:
    """A one-line palette image with one pixel of each colour."""
    image = Image.new("P", (len(colors), 1))
    image.putpalette([level for color in colors for level in color])
    image.putdata(range(len(colors)))
    return image


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2.4, for input devices: header, table of tags, tags."""
    start = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag + b"\0" * (-len(tag) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(data), b"", 0x02400000, b"scnr", space, connection)
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + xyz(0.9642, 1, 0.8249)[8:]
    return header.ljust(128, b"\0") + table + data


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def matrix_profile(primaries: list[tuple[float, float, float]], curve: bytes) -> bytes:
    """An RGB profile from the D50 XYZ of its red, green and blue, and one curve for all."""
    tags = {name: xyz(*values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return icc(b"RGB ", b"XYZ ", {b"wtpt": xyz(0.9642, 1, 0.8249)} | tags | curves)


def adobe_rgb() -> bytes:
    primaries = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
    return matrix_profile(primaries, gamma(563 / 256))


def camera_srgb() -> bytes:
    """sRGB as cameras embed it: primaries and curve rounded, so that conversion moves some pixels by a level."""
    levels = np.linspace(0, 1, 1024)
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    table = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(linear * 65535).astype(">u2").tobytes()
    return matrix_profile([(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)], table)


def linear_grey() -> bytes:
    return icc(b"GRAY", b"XYZ ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(1)})


# By the inks printed (cyan, magenta, yellow, black): L*a*b* under D50, and the sRGB that colour-science gives for it.
INKS = {
    0b0000: ((100, 0, 0), (255, 255, 255)),
    0b1000: ((60, -20, -30), (54.4, 156.2, 196.8)),
    0b0100: ((50, 50, 0), (192.8, 77.7, 121.3)),
    0b0010: ((85, 0, 60), (237.6, 210.4, 93.3)),
    0b0001: ((0, 0, 0), (0, 0, 0)),
}


def press() -> bytes:
    """A CMYK profile in which each ink alone has the L*a*b* of INKS and two or more are black."""
    lab = np.array([INKS.get(mix, INKS[0b0001])[0] for mix in range(16)])
    table = np.round(np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], 1))
    ramps = struct.pack(">2H", 0, 65535)
    matrix = struct.pack(">9i", *(np.eye(3, dtype=int) * 65536).ravel().tolist())
    lut = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + struct.pack(">2H", 2, 2)
    lut += ramps * 4 + table.astype(">u2").tobytes() + ramps * 3
    return icc(b"CMYK", b"Lab ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"A2B0": lut})


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp", ".PNG"])
def test_rgb_is_read_exactly(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(RGB), **FAITHFUL.get(suffix, {}))
    np.testing.assert_array_equal(pixels(path), RGB)


def test_jpeg_is_read_as_opencv_reads_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(np.kron(RGB, np.ones((16, 16, 1), np.uint8))))
    np.testing.assert_allclose(pixels(path), as_opencv_reads(path), atol=3)


# EXIF 2.32, tag 274: where on the upright picture the stored row 0 and column 0 belong.
UPRIGHT = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],  # right, top
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda a: a.swapaxes(0, 1)[::-1],  # left, bottom
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.kron(RGB, np.ones((16, 16, 1), np.uint8))
    path = saved(tmp_path / f"a{suffix}", Image.fromarray(stored), exif=exif, **FAITHFUL.get(suffix, {}))
    np.testing.assert_allclose(pixels(path), UPRIGHT[orientation](stored), atol=8 if suffix == ".jpg" else 0)


def test_orientation_applies_to_16_bit_grey(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = saved(tmp_path / "a.png", Image.fromarray(GREY16), exif=exif)
    np.testing.assert_array_equal(pixels(path)[..., 0], np.round(np.rot90(GREY16, -1) / 257))


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB), exif=b"Exif\0\0garbage!")
    np.testing.assert_array_equal(pixels(path), RGB)


def write_png(path: Path) -> None:
    cv2.imwrite(str(path), GREY16)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".png", write_png),
        (".tif", write_png),
        (".tif", lambda path: tifffile.imwrite(path, GREY16, byteorder=">")),
        (".tif", lambda path: tifffile.imwrite(path, 65535 - GREY16, photometric="miniswhite")),
        (".tif", lambda path: tifffile.imwrite(path, GREY16.astype(np.int32))),
        (".tif", lambda path: tifffile.imwrite(path, GREY16.astype(np.int32), byteorder=">")),
    ],
    ids=["png", "tiff", "big-endian", "white-is-zero", "int32", "big-endian int32"],
)
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str, write: Callable[[Path], object]) -> None:
    write(tmp_path / f"a{suffix}")
    expected = np.round(GREY16 / 257)[..., None].repeat(3, 2)
    np.testing.assert_array_equal(pixels(tmp_path / f"a{suffix}"), expected)


def test_12_bit_grey_is_scaled_by_its_own_white(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.array([[0xFF, 0xF8, 0x00]], np.uint8))  # 4095 and 2048, packed
    content = path.read_bytes()
    for old, new in (((256, 4, 1, 3), (256, 4, 1, 2)), ((258, 3, 1, 8), (258, 3, 1, 12))):  # width, bits per sample
        assert struct.pack("<HHII", *old) in content
        content = content.replace(struct.pack("<HHII", *old), struct.pack("<HHII", *new))
    path.write_bytes(content)
    assert pixels(path)[0, :, 0].tolist() == [255, 128]


def test_16_bit_rgb_is_within_a_level(tmp_path: Path) -> None:
    rgb = np.stack([GREY16, GREY16[::-1], GREY16[:, ::-1]], 2)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    np.testing.assert_allclose(pixels(tmp_path / "a.png"), rgb / 257, atol=1)


HALF = 127  # level of a black pixel of alpha 128 over white
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize(
    ("image", "suffix", "options", "expected"),
    [
        (Image.new("1", (1, 1), 1), ".png", {}, [WHITE]),
        (Image.new("L", (1, 1), 77), ".bmp", {}, [(77,) * 3]),
        (palette(RED, BLUE), ".png", {}, [RED, BLUE]),
        (palette(RED, BLUE), ".png", {"transparency": 1}, [RED, WHITE]),
        (palette(RED, (0, 0, 0), BLUE), ".png", {"transparency": bytes([255, 128, 0])}, [RED, (HALF,) * 3, WHITE]),
        (Image.new("RGBA", (1, 1), (0, 0, 0, 128)), ".png", {}, [(HALF,) * 3]),
        (Image.new("RGBA", (1, 1), (255, 0, 0, 0)), ".webp", {"lossless": True}, [WHITE]),
        (Image.new("LA", (1, 1), (0, 128)), ".png", {}, [(HALF,) * 3]),
        (palette(RED).convert("PA"), ".tif", {}, [RED]),
        (Image.new("RGB", (1, 1), BLUE), ".png", {"transparency": BLUE}, [WHITE]),
        (Image.new("L", (1, 1), 9), ".png", {"transparency": 9}, [WHITE]),
        (Image.new("CMYK", (1, 1), (255, 0, 0, 0)), ".tif", {}, [(0, 255, 255)]),
        (Image.new("CMYK", (1, 1), (0, 0, 0, 255)), ".tif", {}, [(0, 0, 0)]),
        (Image.new("YCbCr", (1, 1), (77, 128, 128)), ".tif", {}, [(77,) * 3]),
    ],
)
def test_every_mode_becomes_rgb_on_white(
    tmp_path: Path, image: Image.Image, suffix: str, options: dict[str, Any], expected: ArrayLike
) -> None:
    np.testing.assert_array_equal(pixels(saved(tmp_path / f"a{suffix}", image, **options))[0], expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_premultiplied_alpha_adds_the_white_behind(tmp_path: Path, channels: int) -> None:
    color = (50, 0, 100)[:channels]
    premultiplied = np.array([[[*color, 128]]], np.uint8)
    photometric = {1: "minisblack", 3: "rgb"}[channels]
    tifffile.imwrite(tmp_path / "a.tif", premultiplied, photometric=photometric, extrasamples=["assocalpha"])
    np.testing.assert_allclose(pixels(tmp_path / "a.tif")[0, 0], np.resize(color, 3) + 127, atol=1)


def test_adobe_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (255, 0, 0, 0)), quality=95)
    assert b"Adobe" in path.read_bytes()[:200]
    np.testing.assert_allclose(pixels(path), as_opencv_reads(path), atol=2)
    np.testing.assert_allclose(pixels(path)[8, 8], (0, 255, 255), atol=2)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("mix", INKS)
def test_cmyk_goes_through_its_profile(tmp_path: Path, suffix: str, mix: int) -> None:
    inks = tuple(255 * (mix >> bit & 1) for bit in (3, 2, 1, 0))
    path = saved(tmp_path / f"a{suffix}", Image.new("CMYK", (16, 16), inks), icc_profile=press())
    np.testing.assert_allclose(pixels(path)[8, 8], INKS[mix][1], atol=2)


def test_wide_gamut_profile_is_converted(tmp_path: Path) -> None:
    colors = np.array([[[200, 100, 50], [90, 90, 90], [100, 150, 120], [255, 255, 255], [0, 0, 0]]], np.uint8)
    path = saved(tmp_path / "a.png", Image.fromarray(colors), icc_profile=adobe_rgb())
    # colour.RGB_to_RGB((colors / 255) ** (563 / 256), "Adobe RGB (1998)", "sRGB", "Bradford", ...) of colour-science
    expected = np.array([[227.1, 100.1, 42.4], [89.6, 89.6, 89.6], [66.0, 151.4, 119.3], [255, 255, 255], [0, 0, 0]])
    np.testing.assert_allclose(pixels(path)[0], expected, atol=1)


def test_profile_keeps_the_alpha(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (200, 100, 50, 0))
    found = pixels(saved(tmp_path / "a.png", image, icc_profile=adobe_rgb()))[0]
    assert found[0, 0] > 210
    assert found[1].tolist() == [255, 255, 255]


def test_grey_profile_is_converted(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("L", (1, 1), 128), icc_profile=linear_grey())
    np.testing.assert_allclose(pixels(path)[0, 0], 188, atol=1)  # 255 (1.055 (128/255)^(1/2.4) - 0.055)


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        camera_srgb(),
        b"no profile",
        adobe_rgb()[:200],
        press(),
    ],
    ids=["sRGB", "sRGB of a camera", "garbage", "truncated", "for another mode"],
)
def test_srgb_and_unusable_profiles_leave_pixels_alone(tmp_path: Path, profile: bytes) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.png", Image.fromarray(rgb), icc_profile=profile)), rgb)


def test_the_first_of_several_images_is_taken(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (4, 4), color) for color in (RED, BLUE)]
    for name, kind in (("a.tif", "TIFF"), ("a.jpg", "MPO")):  # MPO is what some phones write as .jpg
        path = saved(tmp_path / name, pages[0], format=kind, save_all=True, append_images=pages[1:])
        np.testing.assert_allclose(pixels(path)[0, 0], RED, atol=3)


def encoded(format_: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, format_)
    return buffer.getvalue()


def float_tiff() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((4, 4), np.float32))
    return buffer.getvalue()


def signed_tiff(dtype: str) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.full((4, 4), 9, dtype))
    return buffer.getvalue()


def wide_tiff() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.full((4, 4), 65536, np.int32))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jpg", encoded("JPEG")[:-500], "truncated"),
        ("a.png", encoded("PNG")[:-500], "truncated"),
        ("a.bmp", encoded("BMP")[:-500], "truncated|not large enough"),
        ("a.tif", encoded("TIFF")[:3000], "."),
        ("a.webp", encoded("WEBP")[:-500], "."),
        ("a.jpg", b"", "empty file"),
        ("a.jpg", b"hello", "not a JPEG"),
        ("a.jpg", encoded("GIF"), "not a JPEG"),
        ("a.tif", float_tiff(), "32-bit float"),
        ("a.tif", wide_tiff(), "do not fit in 16 bits"),
        ("a.tif", signed_tiff("i1"), "signed values, whose white is unknown"),
        ("a.tif", signed_tiff("i2"), "signed values, whose white is unknown"),
    ],
)
def test_unreadable_files_are_refused_with_a_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableError, match=f"{name} cannot be read: .*({reason})") as caught:
        decode(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png"))
    reasons = {"no.png": "No such file", "": "Is a directory", "pipe.png": "not a regular", "s.png": "not a regular"}
    for name, reason in reasons.items():
        with pytest.raises(UnreadableError, match=reason):
            decode(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_the_limit_of_pixels_is_named_and_can_be_raised(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / f"a{suffix}", Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # as 200 megapixels are to Pillow's own limit
    assert decode(path).size == (100, 100)
    monkeypatch.setenv("LEANET_MAX_PIXELS", "9999")
    with pytest.raises(UnreadableError, match="10000 pixels, more than LEANET_MAX_PIXELS=9999: set that higher"):
        decode(path)
    monkeypatch.setenv("LEANET_MAX_PIXELS", "many")
    with pytest.raises(UnreadableError, match="LEANET_MAX_PIXELS=many: must be a number of pixels"):
        decode(path)


@pytest.mark.slow
def test_a_photograph_of_200_megapixels_is_read_in_bounded_memory(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{number}.png", Image.new("RGB", (16320, 12240), RED)) for number in range(3)]
    images = np.zeros((3, 3, 8, 8), np.uint8)
    read_images(paths, images, "decode")
    assert (images[:, 0] == 255).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 5e6  # kB; 200 megapixels in RGB take .8 GB at a time


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt", "XMP", "iCCP"])
def test_a_png_may_have_megabytes_of_text_or_profile(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, info, options = "x" * 2_000_000, PngInfo(), {}
    if kind == "XMP":
        info.add_itxt("XML:com.adobe.xmp", text, zip=True)
    elif kind == "iTXt":
        info.add_itxt("comment", text, zip=True)
    elif kind == "iCCP":
        options = {"icc_profile": text.encode()}
    else:
        info.add_text("comment", text, zip=kind == "zTXt")
    path = saved(tmp_path / "a.png", Image.fromarray(RGB), pnginfo=info, **options)
    np.testing.assert_array_equal(pixels(path), RGB)
    for limit in ("MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY"):
        monkeypatch.setattr(PngImagePlugin, limit, 1_000_000)
    with pytest.raises(UnreadableError, match="more than 64 MB of text or colour profile in it: save it without them"):
        decode(path)


COLORS = np.random.default_rng(1).integers(0, 256, (37, 53, 4), np.uint8)


@pytest.mark.parametrize("more", [{}, {"tile": (16, 16)}, {"rowsperstrip": 5}, {"byteorder": ">"}], ids=str)
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("photometric", "channels"), [("rgb", 3), ("separated", 4)])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiffs_of_every_layout_are_right_or_refused(
    tmp_path: Path,
    bits: int,
    photometric: str,
    channels: int,
    planar: str,
    compression: str | None,
    more: dict[str, Any],
) -> None:
    values = COLORS[..., :channels] * np.array(1 if bits == 8 else 257, f"u{bits // 8}")
    stored = np.moveaxis(values, -1, 0) if planar == "separate" else values
    options = {"photometric": photometric, "planarconfig": planar, "compression": compression, **more}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    if bits == 16 and planar == "separate" and not compression:
        with pytest.raises(
            UnreadableError, match="16-bit channels one after another, uncompressed: save it interleaved"
        ):
            decode(tmp_path / "a.tif")
        return
    color = COLORS[..., :3].astype(float)
    expected = color if channels == 3 else (255 - color) * (255 - COLORS[..., 3:]) / 255
    np.testing.assert_allclose(pixels(tmp_path / "a.tif"), expected, atol=1.5)


def test_a_palette_of_8_bit_numbers_is_not_black(tmp_path: Path) -> None:
    path, colors = tmp_path / "a.tif", np.random.default_rng(2).integers(0, 256, (3, 256), np.uint16)
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for scale in (1, 257):  # what some programs write, and what TIFF 6.0 has
        tifffile.imwrite(path, indices, photometric="palette", colormap=colors * np.uint16(scale))
        np.testing.assert_array_equal(pixels(path), np.moveaxis(colors[:, indices], 0, -1))
        np.testing.assert_array_equal(pixels(path), as_opencv_reads(path))


def bmp_with_masks(values: NDArray[np.uint8], *masks: int) -> bytes:
    """A BMP of 32 bits with a V5 header and the masks of red, green, blue and alpha."""
    height, width = values.shape[:2]
    header = struct.pack("<IiiHHIIiiII", 124, width, -height, 1, 32, 3, values.nbytes, 2835, 2835, 0, 0)
    header += struct.pack("<IIII", *masks) + b"BGRs" + bytes(64)
    return b"BM" + struct.pack("<IHHI", 14 + 124 + values.nbytes, 0, 0, 14 + 124) + header + values.tobytes()


@pytest.mark.parametrize("order", ["BGRA", "RGBA", "without masks"])
def test_an_alpha_of_zeros_alone_is_no_alpha_in_a_bmp(tmp_path: Path, order: str) -> None:
    path, values = tmp_path / "a.bmp", COLORS.copy()
    masks = {"BGRA": (0xFF0000, 0xFF00, 0xFF, 0xFF << 24), "RGBA": (0xFF, 0xFF00, 0xFF0000, 0xFF << 24)}
    values[..., 3] = 0
    path.write_bytes(bmp_with_masks(values, *masks.get(order, (0, 0, 0, 0))))
    np.testing.assert_array_equal(pixels(path), values[..., 2::-1] if order != "RGBA" else values[..., :3])
    np.testing.assert_array_equal(pixels(path), as_opencv_reads(path))
    values[0, 0] = (0, 0, 0, 255)  # now it is one
    path.write_bytes(bmp_with_masks(values, *masks.get(order, (0, 0, 0, 0))))
    assert pixels(path)[0, :2].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_an_undeclared_fourth_channel_of_zeros_is_no_alpha_in_a_tiff(tmp_path: Path) -> None:
    values = COLORS.copy()
    values[..., 3] = 0
    for extra, expected in ((["unassalpha"], 255), (["unspecified"], values[..., :3])):
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=extra)
        np.testing.assert_array_equal(pixels(tmp_path / "a.tif") + 0 * values[..., :3], expected)
    content = (tmp_path / "a.tif").read_bytes()
    tag = struct.pack("<HHIHH", 338, 3, 1, 0, 0)
    assert tag in content
    (tmp_path / "a.tif").write_bytes(content.replace(tag, struct.pack("<HHIHH", 337, 3, 1, 0, 0)))  # none that says so
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), values[..., :3])


def test_heic_is_read_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(UnreadableError, match=r"cannot be read: HEIC, which needs pip install 'leanet\[heic\]'"):
        decode(path)

    class HeifImageFile(ImageFile):
        def _open(self) -> None:
            if self.fp.read(12)[4:] != b"ftypheic":
                raise SyntaxError
            self._size, self._mode = (2, 1), "RGB"
            self.tile = [("raw", (0, 0, 2, 1), 24, ("RGB", 0, 1))]

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(HeifImageFile=HeifImageFile))
    monkeypatch.setattr(readers, "reads_heic", lambda: True)
    monkeypatch.setattr(readers, "_readers", readers._readers.__wrapped__)
    path.write_bytes(path.read_bytes() + bytes([*RED, *BLUE]))
    assert pixels(path).tolist() == [[list(RED), list(BLUE)]]
    np.testing.assert_array_equal(pixels(saved(tmp_path / "b.png", Image.fromarray(RGB))), RGB)


def test_many_unreadable_files_are_listed_in_a_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:04}.png" for number in range(3000)]
    with pytest.raises(LeanetError) as caught:
        read_images(paths, np.zeros((3000, 3, 4, 4), np.uint8), "decode")
    pattern = r"3000 of 3000 images cannot be read: (.*0009\.png \(No such .*\)) and 2990 more; (.+) lists all"
    told = re.fullmatch(pattern, str(caught.value))
    assert told and told[1].count(".png") == 10
    lines = Path(told[2]).read_text(encoding="utf-8").splitlines()
    Path(told[2]).unlink()
    assert lines == [f"{path} (No such file or directory)" for path in paths]


def test_resizing_averages_instead_of_sampling() -> None:
    board = np.indices((256, 256)).sum(0) % 2 * np.uint8(255)
    found = resized(Image.fromarray(board.astype(np.uint8)).convert("RGB"), 64)
    assert found.shape == (3, 64, 64)
    np.testing.assert_allclose(found, 127.5, atol=8)


def test_images_of_the_right_size_keep_their_pixels() -> None:
    square = RGB[:2, :2]
    np.testing.assert_array_equal(resized(Image.fromarray(square), 2), square.transpose(2, 0, 1))


def test_read_images_keeps_the_order_and_shows_no_bar_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [saved(tmp_path / f"{level}.png", Image.new("L", (5, 7), level)) for level in range(40)]
    images = np.zeros((40, 3, 8, 8), np.uint8)
    sizes = read_images(paths, images, "decode").sizes
    assert sizes.tolist() == [[5, 7]] * 40
    assert images[:, 0, 0, 0].tolist() == list(range(40))
    assert capsys.readouterr() == ("", "")


def test_pixels_tell_equal_pictures_in_different_files(tmp_path: Path) -> None:
    flat = Image.new("RGB", (6, 4), RED)
    paths = [
        saved(tmp_path / "a.png", flat),
        saved(tmp_path / "b.bmp", flat),
        saved(tmp_path / "turned.png", flat.transpose(Image.Transpose.ROTATE_90)),
        saved(tmp_path / "blue.png", Image.new("RGB", (6, 4), BLUE)),
    ]
    digests = read_images(paths, np.zeros((len(paths), 3, 4, 4), np.uint8), "decode").pixels
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_all_unreadable_files_are_named_in_one_line(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.png", Image.new("L", (2, 2)))
    bad = [tmp_path / name for name in ("a.jpg", "b\n.png", "c.webp")]
    for path, content in zip(bad, (encoded("JPEG")[:-500], b"", b"text"), strict=True):
        path.write_bytes(content)
    with pytest.raises(LeanetError) as caught:
        read_images([good, *bad, good], np.zeros((5, 3, 4, 4), np.uint8), "decode")
    message = str(caught.value)
    assert message.startswith("3 of 5 images cannot be read: ")
    assert "\n" not in message
    assert "a.jpg (image file is truncated" in message
    assert "b\\n.png' (empty file)" in message
    assert "c.webp (not a JPEG" in message
