"""How photographs become square, against Pillow and against a drawn square."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from leanet.data.arrays import ImageArrays
from leanet.data.decode import decode, digest
from leanet.data.folder import ImageFolder
from leanet.data.images import ImageSet
from leanet.data.resize import resized
from leanet.data.table import ImageTable

RED = (255, 0, 0)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def drawn(width: int, height: int) -> Image.Image:
    """A red square of 20 pixels in the middle of a blue picture."""
    picture = Image.new("RGB", (width, height), (0, 0, 255))
    left, top = (width - 20) // 2, (height - 20) // 2
    ImageDraw.Draw(picture).rectangle((left, top, left + 19, top + 19), fill=RED)
    return picture


def extent(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is red."""
    rows, columns = np.nonzero((pixels[0] > 128) & (pixels[2] < 128))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(("width", "height"), [(70, 50), (50, 70), (101, 64), (64, 33), (31, 97), (64, 65), (9, 4)])
def test_pillow_has_the_same_pixels(width: int, height: int) -> None:
    picture, bicubic = noise(width, height), Image.Resampling.BICUBIC
    padded = ImageOps.pad(picture, (64, 64), bicubic, color=(128, 128, 128))
    cropped, stretched = ImageOps.fit(picture, (64, 64), bicubic), picture.resize((64, 64), bicubic)
    for fit, expected in (("pad", padded), ("crop", cropped), ("stretch", stretched)):
        np.testing.assert_array_equal(resized(picture, 64, fit), np.moveaxis(np.asarray(expected), -1, 0))


@pytest.mark.parametrize("side", [20, 64, 200])
def test_square_images_are_the_same_with_any_fit(side: int) -> None:
    picture = noise(side, side)
    for fit in ("pad", "crop"):
        np.testing.assert_array_equal(resized(picture, 64, fit), resized(picture, 64, "stretch"))


def test_a_square_stays_a_square_unless_stretched() -> None:
    for width, height in ((80, 40), (40, 80)):
        picture = drawn(width, height)
        assert extent(resized(picture, 32, "pad")) == (12, 12, 20, 20)  # 20 pixels at 32 / 80
        assert extent(resized(picture, 32, "crop")) == (8, 8, 24, 24)  # at 32 / 40
    assert extent(resized(drawn(80, 40), 32, "stretch")) == (12, 8, 20, 24)


def test_padding_is_grey_and_never_all_of_the_picture() -> None:
    wide = resized(drawn(80, 40), 32, "pad")
    assert (wide[:, :8] == 128).all() and (wide[:, 24:] == 128).all() and (wide[2, 8:24, :8] == 255).all()
    line = resized(Image.new("RGB", (1000, 1), RED), 32, "pad")
    assert (line != 128).any(axis=0).sum() == 32


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="fit=squash: must be stretch, pad or crop"):
        resized(noise(4, 3), 32, "squash")


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_all_datasets_fit_their_images(fit: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("Negative/a.png", "Negative/b.png", "Positive/c.png")]
    for file, size in zip(files, ((60, 40), (40, 70), (48, 48)), strict=True):
        file.parent.mkdir(exist_ok=True)
        noise(*size).save(file)
    rows = "".join(f"{file.relative_to(tmp_path)},{int(file.stem == 'c')}\n" for file in files)
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}")
    labels = np.array([0, 0, 1])
    expected = {digest(decode(file)): resized(decode(file), 32, fit) for file in files}
    for dataset in (
        ImageFolder("a", str(tmp_path), 32, fit=fit),
        ImageTable("b", str(tmp_path / "labels.csv"), 32, fit=fit),
        ImageArrays("c", 32, files, labels, fit),
        ImageArrays("d", 32, [np.asarray(decode(file)) for file in files], labels, fit),
    ):
        found: ImageSet = dataset.load(tmp_path / "cache")
        assert found.fit == fit and len(found.pixels) == 3
        for name, pixels in zip(found.pixels, found.images, strict=True):
            np.testing.assert_array_equal(pixels, expected[name])
        names = sorted(file.name for file in (tmp_path / "cache").glob(f"{dataset.name}-*.npy"))
        suffix = "" if fit == "stretch" else f"-{fit}"
        assert names == [f"{dataset.name}-32-{found.index.fingerprint[:12]}{suffix}-v4.npy"]
