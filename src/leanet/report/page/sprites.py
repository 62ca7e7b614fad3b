"""Sprites: many small pictures in one image, from which the page cuts tiles."""

import base64
import io
import math

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

Sprite = dict[str, str | int]
Tiles = NDArray[np.uint8]


def sprite(tiles: Tiles, title: str, quality: int = 75) -> Sprite:
    """Arrange tiles in one WebP image, row by row from its upper left corner.

    Args:
        tiles: (N, h, w, 3), N ≥ 1.
        title: of the sprite.
        quality: of WebP, 0…100.

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


def data_uri(picture: Image.Image, quality: int) -> str:
    """A picture as a data URI in WebP format."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
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


def coloured(maps: NDArray[np.floating], low: float, high: float, colormap: str) -> Tiles:
    """Colour maps (N, h, w) from `low` to `high` by a colormap of matplotlib; returns (N, h, w, 3)."""
    shares = np.clip((maps.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    return np.ascontiguousarray(colormaps[colormap](shares, bytes=True)[..., :3])
