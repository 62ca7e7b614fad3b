import numpy as np
import pytest
from PIL import Image

from leanet.data.tiles import TileGrid, Tiling
from leanet.errors import LeanetError

TILINGS = (Tiling(tiles=3), Tiling(tiles=4, overlap=0.5), Tiling(size=32), Tiling(size=50, overlap=0.3))
SIZES = ((200, 200), (200, 130), (130, 200), (171, 60))


def grid(tiling: Tiling, *sizes: tuple[int, int]) -> TileGrid:
    return tiling.grid(np.array(sizes))


def smooth(width: int, height: int) -> np.ndarray:
    """(H, W), slow waves."""
    down, right = np.mgrid[:height, :width]
    return (100 + 50 * np.sin(right / 30) + 40 * np.cos(down / 40)).astype(np.float32)


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("size", SIZES)
def test_tiles_cover_every_pixel_and_overlap(tiling: Tiling, size: tuple[int, int]) -> None:
    boxes = grid(tiling, size).boxes(*size)
    seen = np.zeros(size[::-1], bool)
    for left, top, right, bottom in boxes:
        assert right - left == pytest.approx(bottom - top) and right - left == pytest.approx(tiling.side(*size))
        seen[int(np.ceil(top)) : int(bottom) + 1, int(np.ceil(left)) : int(right) + 1] = True
    assert seen.all() and boxes.min() == 0 and tuple(boxes[:, 2:].max(axis=0)) == pytest.approx(size)
    for axis in (0, 1):
        starts = np.unique(boxes[:, axis].round(6))
        assert (np.diff(starts) <= tiling.side(*size) * (1 - tiling.overlap) + 1e-6).all()


def test_images_of_a_set_have_equally_many_tiles_also_if_they_are_turned_or_smaller() -> None:
    of_set = grid(Tiling(size=50), (200, 130), (130, 200), (60, 70))
    assert (of_set.short, of_set.long) == (3, 5)
    assert [len(of_set.boxes(*size)) for size in ((200, 130), (130, 200), (60, 70))] == [15, 15, 15]
    wide, high = of_set.boxes(200, 130), of_set.boxes(130, 200)
    assert len(np.unique(wide[:, 0])) == len(np.unique(high[:, 1])) == 5
    assert of_set.needed_for(150, 100) == of_set
    assert of_set.needed_for(500, 130).long > 5 and of_set.needed_for(500, 130).short == 3


def test_tiles_count_along_the_shorter_side() -> None:
    assert grid(Tiling(tiles=4, overlap=0), (400, 100)) == TileGrid(Tiling(tiles=4, overlap=0), 4, 16)
    assert Tiling(tiles=4, overlap=0).side(400, 100) == 25


def test_a_tile_of_the_networks_size_has_the_pixels_of_the_image() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (77, 101, 3), dtype=np.uint8)
    of_image = grid(Tiling(size=32, overlap=0.1), (101, 77))
    tiles = of_image.cut(Image.fromarray(pixels), 32)
    assert tiles.shape == (of_image.count, 3, 32, 32) and tiles.dtype == np.uint8
    for tile, box in zip(tiles, of_image.boxes(101, 77).round().astype(int), strict=True):
        left, top, right, bottom = box
        np.testing.assert_array_equal(tile.transpose(1, 2, 0), pixels[top:bottom, left:right])


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("size", SIZES)
def test_what_was_cut_is_put_together_again(tiling: Tiling, size: tuple[int, int]) -> None:
    picture = smooth(*size)
    of_image = grid(tiling, size)
    tiles = of_image.cut(Image.fromarray(picture.astype(np.uint8)).convert("RGB"), 64)[:, 0]
    expected = np.asarray(Image.fromarray(picture).resize((96, 96), Image.Resampling.BILINEAR))
    assert np.abs(of_image.stitched(tiles, *size, 96) - expected).mean() < 1.5  # of 180


@pytest.mark.parametrize("tiling", TILINGS)
def test_there_are_no_seams(tiling: Tiling) -> None:
    """Tiles that agree give a constant; those that do not go over into each other where they overlap."""
    of_image = grid(tiling, (200, 130))
    constant = of_image.stitched(np.full((of_image.count, 7, 7), 0.3), 200, 130, 128)
    np.testing.assert_allclose(constant, 0.3, rtol=1e-6)
    values = np.random.default_rng(0).random(of_image.count)
    whole = of_image.stitched(np.ones((of_image.count, 7, 7)) * values[:, None, None], 200, 130, 512)
    steps = max(np.abs(np.diff(whole, axis=axis)).max() for axis in (0, 1))
    assert steps < 0.15 * np.ptp(values)  # with overlap=0.1 a transition takes 10 pixels


def test_tiles_smaller_than_a_pixel_of_the_map_are_left_out() -> None:
    of_image = grid(Tiling(tiles=64), (640, 640))
    whole = of_image.stitched(np.full((of_image.count, 3, 3), 0.5), 640, 640, 32)
    np.testing.assert_allclose(whole, 0.5, rtol=1e-6)


def test_an_image_smaller_than_a_tile_is_one_line() -> None:
    with pytest.raises(LeanetError, match=r"^200 × 180 pixels, smaller than a tile of 256$"):
        grid(Tiling(size=256), (300, 300), (200, 180))
