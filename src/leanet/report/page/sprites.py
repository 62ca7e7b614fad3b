"""Many small pictures in one: a data URI that a page cuts its tiles from."""

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
    """(N, h, w, 3) → a WebP of about as many columns as rows, N ≥ 1, the first tile in its upper left corner."""
    count, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    whole = np.zeros((rows * columns, height, width, 3), dtype=np.uint8)
    whole[:count] = tiles
    picture = whole.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return {"uri": data_uri(Image.fromarray(picture), quality), "columns": columns, "rows": rows, "title": title}


def data_uri(picture: Image.Image, quality: int) -> str:
    """The picture as WebP, in an address of its own."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def small(images: Tiles, side: int) -> Tiles:
    """(N, 3, S, S) → (N, side, side, 3), or of their own size if that is smaller."""
    pictures = images.transpose(0, 2, 3, 1)
    if pictures.shape[1] <= side:
        return np.ascontiguousarray(pictures)
    shrunk = [Image.fromarray(picture).resize((side, side), Image.Resampling.BOX) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in shrunk])


def shrunk(maps: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """(N, S, S) → (N, s, s) by means over squares, where s ≤ side divides S; as they are where nothing fits."""
    size = maps.shape[-1]
    factor = next((factor for factor in range(1, size) if size % factor == 0 and size // factor <= side), 1)
    squares = maps.astype(np.float32).reshape(len(maps), size // factor, factor, size // factor, factor)
    means: NDArray[np.float32] = squares.mean((2, 4))
    return means


def coloured(maps: NDArray[np.floating], low: float, high: float, colormap: str) -> Tiles:
    """(N, h, w) → (N, h, w, 3): `low` in the colormap's first colour, `high` in its last."""
    shares = np.clip((maps.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    return np.ascontiguousarray(colormaps[colormap](shares, bytes=True)[..., :3])
