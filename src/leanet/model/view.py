"""What a model sees of an image: the image at the model's size, and its tiles if the model cuts images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leanet.data.resize import resized
from leanet.data.tiles import TileGrid, Tiling
from leanet.model.find import FoundModel

STITCHED = 1024  # the side of maps that are put together from those of tiles


def grid_of(found: FoundModel) -> TileGrid | None:
    """The tiles into which a run, model or cell cuts images; None if it does not."""
    kept = found.members[0].result.get("tiles")
    return None if kept is None else TileGrid(Tiling(**kept["tiling"]), kept["short"], kept["long"])


class View(NamedTuple):
    """One image.

    Args:
        whole: (3, S, S) uint8, sRGB.
        tiles: (T, 3, S, S) uint8; None if the model does not cut images.
        grid: of the tiles.
        size: width and height of the image.
    """

    whole: NDArray[np.uint8]
    tiles: NDArray[np.uint8] | None
    grid: TileGrid | None
    size: tuple[int, int]

    @classmethod
    def of(cls, image: Image.Image, image_size: int, fit: str, grid: TileGrid | None = None) -> "View":
        """Resize an image of mode RGB, and cut it.

        Args:
            image: of any size.
            image_size: S.
            fit: as for `leanet.data.resize.resized`.
            grid: of the model; a larger image than those of the training gets more tiles.

        Raises:
            LeanetError: the image is smaller than a tile.
        """
        whole = resized(image, image_size, fit)
        if grid is None:
            return cls(whole, None, None, image.size)
        grid = grid.needed_for(*image.size)
        return cls(whole, grid.cut(image, image_size), grid, image.size)

    def stitched(self, maps: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """The map (1, 1024, 1024) of the whole image from those of its tiles, (T, h, w); None for None."""
        assert self.grid is not None
        return None if maps is None else self.grid.stitched(maps, *self.size, STITCHED)[None]
