"""Images from a Python program are the dataset that a folder of them would be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.data.arrays import ImageArrays, as_image
from leanet.data.folder import ImageFolder
from leanet.errors import LeanetError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 40, 30, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 0, 1])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The images as PNGs in two folders."""
    made = []
    for place, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        made.append(tmp_path / "photos" / ("Negative", "Positive")[label] / f"{place}.png")
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(made[-1])
    return made


def test_files_are_the_dataset_of_their_folder(files: list[Path], tmp_path: Path) -> None:
    folder = ImageFolder("photos", str(tmp_path / "photos"), 32)
    given = ImageArrays("photos", 32, files, LABELS)
    assert given.index().fingerprint == folder.index().fingerprint
    found, expected = given.load(tmp_path / "a"), folder.load(tmp_path / "b")
    assert np.array_equal(found.images, expected.images) and found.pixels == expected.pixels
    assert np.array_equal(found.labels, expected.labels) and np.array_equal(found.sizes, expected.sizes)


def test_arrays_and_pil_images_have_the_pixels_of_files(files: list[Path], tmp_path: Path) -> None:
    def by_pixels(images: object) -> dict[str, bytes]:
        loaded = ImageArrays("x", 32, images, LABELS).load(tmp_path / str(len([*tmp_path.iterdir()])))  # type: ignore[arg-type]
        return dict(zip(loaded.pixels, map(bytes, loaded.images), strict=True))

    expected = by_pixels(files)
    assert by_pixels(list(PIXELS)) == expected == by_pixels([Image.fromarray(pixels) for pixels in PIXELS])


def test_files_and_arrays_may_be_mixed(files: list[Path], tmp_path: Path) -> None:
    mixed = [files[0], Image.fromarray(PIXELS[1]), *PIXELS[2:4], files[4]]
    found, expected = (ImageArrays("x", 32, images, LABELS) for images in (mixed, list(PIXELS)))
    assert found.index().fingerprint == expected.index().fingerprint  # by pixels, where not all are files


def test_the_order_of_the_images_does_not_matter() -> None:
    order = np.array([3, 1, 4, 0, 2])
    one, other = (ImageArrays("x", 32, list(PIXELS[o]), LABELS[o]) for o in (np.arange(5), order))
    assert one.index().fingerprint == other.index().fingerprint


def test_transparency_is_on_white_as_in_files(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert as_image(image).getpixel((0, 0)) == (255, 255, 255)
    assert image.mode == "RGBA"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (list(PIXELS), LABELS[:3], "5 images need as many labels"),
        (list(PIXELS), LABELS + 1, "labels must be 0"),
        ([], [], "cannot be read again"),
        (["gone.png", "gone.png"], [0, 1], "the same file is given twice"),
        (["gone.png"], [0], "1 of 1 images cannot be read: gone.png"),
    ],
)
def test_mistakes(images: list[object], labels: object, message: str) -> None:
    with pytest.raises(LeanetError, match=message):
        ImageArrays("x", 32, images, labels).index()  # type: ignore[arg-type]


def test_arrays_of_another_kind() -> None:
    with pytest.raises(ValueError, match=r"arrays \(H, W, 3\) uint8, not \(2, 2\) float64"):
        as_image(np.zeros((2, 2)))
