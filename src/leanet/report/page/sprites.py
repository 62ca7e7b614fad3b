"""Sprites: many small pictures in one image, from which the page cuts tiles."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

Sprite = dict[str, str | int]
Tiles = NDArray[np.uint8]
Placed = tuple[list[int], NDArray[np.floating]]
Colors = tuple[float, float, str]

_LEVELS = 64  # of the colours of blocks, which makes them small without a visible step


def sprite(tiles: Tiles, title: str, quality: int | None = 75) -> Sprite:
    """Arrange tiles in one WebP image, row by row from its upper left corner.

    Args:
        tiles: (N, h, w, 3), N ≥ 1.
        title: of the sprite.
        quality: of WebP, 0…100; None: without loss.

    Returns:
        `uri`, `columns`, `rows` and `title`.
    """
    count, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    whole = np.zeros((rows * columns, height, width, 3), dtype=np.uint8)
    whole[:count] = tiles
    picture = whole.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return {"uri": data_uri(Image.fromarray(picture), quality), "columns": columns, "rows": rows, "title": title}


def block_sprite(maps: Sequence[Placed], count: int, colors: Colors, title: str) -> Sprite:
    """The sprite of maps in their own resolution, without loss, so that a page can show each value as a block.

    Args:
        maps: of each run, as rows of the sprite and values (n, h, w).
        count: the number of rows; those without a map are black.
        colors: as the arguments of `coloured`.
        title: of the sprite.

    Returns:
        as `sprite`, and the side of the maps as `blocks`. Runs with smaller maps are enlarged by a whole number.
    """
    blocks = max(values.shape[-1] for _, values in maps)
    tiles = np.zeros((count, blocks, blocks, 3), dtype=np.uint8)
    for rows, values in maps:
        times = blocks // values.shape[-1]
        part = coloured(values, *colors, levels=_LEVELS).repeat(times, 1).repeat(times, 2)
        tiles[rows, : part.shape[1], : part.shape[2]] = part
    return sprite(tiles, title, quality=None) | {"blocks": blocks}


def data_uri(picture: Image.Image, quality: int | None) -> str:
    """A picture as a data URI in WebP format, without loss if `quality` is None."""
    out = io.BytesIO()
    kind = {"lossless": True} if quality is None else {"quality": quality}
    picture.save(out, "WEBP", method=4, **kind)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def small(images: Tiles, side: int) -> Tiles:
    """Reduce images (N, 3, S, S) to (N, side, side, 3); smaller ones keep their size."""
    pictures = images.transpose(0, 2, 3, 1)
    if pictures.shape[1] <= side:
        return np.ascontiguousarray(pictures)
    shrunk = [Image.fromarray(picture).resize((side, side), Image.Resampling.BOX) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in shrunk])


def shrunk(maps: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """Reduce maps (N, S, S) to (N, s, s) by means over squares, with the largest s ≤ `side` that divides S."""
    size = maps.shape[-1]
    factor = next((factor for factor in range(1, size) if size % factor == 0 and size // factor <= side), 1)
    squares = maps.astype(np.float32).reshape(len(maps), size // factor, factor, size // factor, factor)
    means: NDArray[np.float32] = squares.mean((2, 4))
    return means


def coloured(maps: NDArray[np.floating], low: float, high: float, colormap: str, levels: int = 0) -> Tiles:
    """Colour maps (N, h, w) from `low` to `high` by a colormap of matplotlib; returns (N, h, w, 3).

    With `levels`, values are rounded to so many steps between `low` and `high`.
    """
    shares = np.clip((maps.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    shares = np.rint(shares * levels) / levels if levels else shares
    return np.ascontiguousarray(colormaps[colormap](shares, bytes=True)[..., :3])
