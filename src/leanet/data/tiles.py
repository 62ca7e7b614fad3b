"""Cut large images into square tiles, and put maps of tiles together again."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leanet.errors import LeanetError

_LEAST_WEIGHT = 1e-3  # at a tile's edge, so that weights can be divided by


@dataclass(frozen=True)
class Tiling:
    """How images are cut into square tiles. One of `tiles` and `size` is given.

    Args:
        tiles: the number of tiles along the shorter side.
        size: the side of a tile in pixels of the image.
        overlap: the least share of a tile's side that neighbours have in common, 0 ≤ overlap < 1.
    """

    tiles: int | None = None
    size: int | None = None
    overlap: float = 0.1

    def side(self, width: int, height: int) -> float:
        """The side of a tile in pixels of an image.

        Raises:
            LeanetError: the image is smaller than a tile.
        """
        shorter = min(width, height)
        if self.size is None:
            assert self.tiles is not None
            return shorter / (1 + (self.tiles - 1) * (1 - self.overlap))
        if shorter < self.size:
            raise LeanetError(f"{width} × {height} pixels, smaller than a tile of {self.size}")
        return float(self.size)

    def grid(self, sizes: NDArray[np.int64]) -> "TileGrid":
        """The grid for a set of images: as many tiles as any of them needs along its shorter and its longer side.

        Args:
            sizes: (N, 2), width and height.

        Raises:
            LeanetError: an image is smaller than a tile.
        """
        needed = [self._needed(int(width), int(height)) for width, height in np.unique(sizes, axis=0)]
        return TileGrid(self, *(max(counts) for counts in zip(*needed, strict=True)))

    def _needed(self, width: int, height: int) -> tuple[int, int]:
        """The number of tiles along the shorter and along the longer side."""
        side = self.side(width, height)
        steps = [(length - side) / (side * (1 - self.overlap)) for length in sorted((width, height))]
        shorter, longer = (1 + math.ceil(step - 1e-6) for step in steps)
        return shorter, longer


@dataclass(frozen=True)
class TileGrid:
    """The same number of tiles for all images of a set. Those of a smaller image overlap more.

    Args:
        tiling: how images are cut.
        short: tiles along the shorter side.
        long: tiles along the longer side.
    """

    tiling: Tiling
    short: int
    long: int

    @property
    def count(self) -> int:
        """T, the number of tiles of an image."""
        return self.short * self.long

    def needed_for(self, width: int, height: int) -> "TileGrid":
        """The grid for an image that may be larger than those of the set: this one, or one with more tiles."""
        other = self.tiling.grid(np.array([[width, height]]))
        return replace(self, short=max(self.short, other.short), long=max(self.long, other.long))

    def boxes(self, width: int, height: int) -> NDArray[np.float64]:
        """The tiles of an image: (T, 4) left, top, right and bottom in pixels, row by row, evenly spread."""
        side = self.tiling.side(width, height)
        columns, rows = (self.short, self.long) if width < height else (self.long, self.short)
        left, top = np.meshgrid(np.linspace(0, width - side, columns), np.linspace(0, height - side, rows))
        return np.stack([left, top, left + side, top + side], axis=-1).reshape(-1, 4)

    def cut(self, image: Image.Image, image_size: int) -> NDArray[np.uint8]:
        """Cut an image, and resize its tiles by bicubic interpolation with antialiasing.

        Args:
            image: of mode RGB.
            image_size: S; tiles of that size are not interpolated.

        Returns:
            (T, 3, S, S) uint8.
        """
        boxes = self.boxes(*image.size)
        if self.tiling.size == image_size:
            boxes = boxes.round()
        each = [image.resize((image_size, image_size), Image.Resampling.BICUBIC, box=tuple(box)) for box in boxes]
        return np.ascontiguousarray(np.stack([np.asarray(tile) for tile in each]).transpose(0, 3, 1, 2))

    def stitched(self, maps: NDArray[np.floating], width: int, height: int, side: int) -> NDArray[np.float32]:
        """Put maps of tiles together to a map of the whole image.

        Where tiles overlap, their values are averaged with weights that fall to about 0 at the edges of each tile, so
        that there are no seams.

        Args:
            maps: (T, h, w), of the tiles of an image.
            width: of the image.
            height: of the image.
            side: of the map.

        Returns:
            (side, side), the whole image as a square.
        """
        total, weights = np.zeros((side, side)), np.zeros((side, side))
        scale = np.array([side / width, side / height] * 2)
        for tile, box in zip(maps, self.boxes(width, height) * scale, strict=True):
            (columns, of_column), (rows, of_row) = (_covered(box[axis], box[axis + 2], side) for axis in (0, 1))
            if not len(columns) or not len(rows):  # smaller than a pixel of the map
                continue
            part = _inside(box, columns, rows, tile.shape)
            size = (len(columns), len(rows))
            resized = Image.fromarray(tile.astype(np.float32)).resize(size, Image.Resampling.BILINEAR, box=part)
            weight = of_row[:, None] * of_column
            place = np.ix_(rows, columns)
            total[place] += weight * np.asarray(resized)
            weights[place] += weight
        return (total / weights).astype(np.float32)


def _covered(start: float, stop: float, side: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pixels of a map whose centres a tile covers from `start` to `stop`, and their weights."""
    pixels = np.arange(max(0, math.ceil(start - 0.5)), min(side, math.ceil(stop - 0.5)))
    centres = pixels + 0.5
    to_edge = np.minimum(centres - start, stop - centres) / (stop - start)
    return pixels, np.maximum(to_edge, _LEAST_WEIGHT)


def _inside(
    box: NDArray[np.float64], columns: NDArray[np.int64], rows: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[float, float, float, float]:
    """The part of a tile's map (h, w) that lies under some pixels of the whole map."""
    across, down = shape[1] / (box[2] - box[0]), shape[0] / (box[3] - box[1])
    left, right = ((edge - box[0]) * across for edge in (columns[0], columns[-1] + 1))
    top, bottom = ((edge - box[1]) * down for edge in (rows[0], rows[-1] + 1))
    return max(left, 0.0), max(top, 0.0), min(right, float(shape[1])), min(bottom, float(shape[0]))


@dataclass(frozen=True)
class Tiles:
    """The tiles of a set of images.

    Args:
        images: (N, T, 3, S, S) uint8, sRGB; may be memory-mapped.
        grid: of the tiles.
    """

    images: NDArray[np.uint8]
    grid: TileGrid
