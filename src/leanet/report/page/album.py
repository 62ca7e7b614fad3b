"""The page's pictures: sprites of test images and of their anomaly, attention and evidence maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leanet.errors import LeanetError
from leanet.pictures.picture_page import Scale, attention_scale, evidence_scale
from leanet.report.figures.pictures import ATTENTION, FoldPictures, Gallery
from leanet.report.page.data import Data, ImageKey, PageData
from leanet.report.page.sprites import Colors, Sprite, block_sprite, coloured, shrunk, small, sprite
from leanet.report.predictions import Predictions
from leanet.storage.files import read_array

MOST_BYTES = 40_000_000  # of all pictures; further ones are left out, and the page says so
IMAGE_SIDE, MAP_SIDE = 80, 64
FEW, LARGE_SIDE = 1000, 128  # the side of images of a dataset with at most FEW test images
_FULL = "Without pictures of the {}: the page is full; datasets=[…] makes it smaller."


def add_pictures(page: PageData, gallery: Gallery) -> None:
    """Add the sprites of all datasets to the page's data. What is missing for a cell is recorded in its `missing`.

    Args:
        page: changed in place.
        gallery: of the runs.
    """
    for place, rows in enumerate(page.rows):
        if not rows:  # no predictions could be read
            continue
        pairs = zip(page.data["cells"], page.folders, strict=True)
        members = [(told, folders) for told, folders in pairs if told["images"] == place]
        try:
            _add_set(page.data, place, rows, members, gallery)
        except LeanetError as error:
            for told, _ in members:
                told["missing"] = f"Without pictures: {error}"


def _add_set(
    data: Data, place: int, rows: dict[ImageKey, int], members: Sequence[tuple[Data, list[str]]], gallery: Gallery
) -> None:
    every = [folder for _, folders in members for folder in folders]
    data["images"][place]["sprite"] = _kept(data, _images(gallery, every, rows))
    maps: dict[tuple[Path, ...], int | None] = {}
    # The best models first, since later pictures may not fit.
    for told, folders in sorted(members, key=lambda member: (not member[0]["best"], -member[0]["f1"][0])):
        runs = [gallery.of(folder) for folder in folders]
        if runs[0].run.settings.needs_maps:
            key = tuple(pictures.run.maps_file for pictures in runs)
            if key not in maps:
                maps[key] = _kept(data, _maps(folders, runs, rows))
            told["maps"] = maps[key]
        _add_attention(data, told, folders, rows)
        _add_evidence(data, told, folders, runs, rows)


def _add_attention(data: Data, told: Data, folders: Sequence[str], rows: dict[ImageKey, int]) -> None:
    kept = [folder for folder in folders if (Path(folder) / ATTENTION).exists()]
    if kept and not told["best"]:
        told["missing"] = "Pictures of the attention are shown at the best point of each row."
    elif kept:
        found = [
            (shown, read_array(Path(kept[run]) / ATTENTION)[places].astype(np.float32))
            for run, places, shown in _first_shown(kept, rows)
        ]
        colors = _colors(attention_scale(values for _, values in found))
        title = f"attention {colors[0]:.2f}–{colors[1]:.2f}".replace("-", "−")
        told["attention"] = _kept(data, block_sprite(found, len(rows), colors, title))
        if told["attention"] is None:
            told["missing"] = _FULL.format("attention")


def _add_evidence(
    data: Data, told: Data, folders: Sequence[str], runs: Sequence[FoldPictures], rows: dict[ImageKey, int]
) -> None:
    """Add the evidence maps of a frozen network."""
    try:
        every = [(shown, runs[run].evidence(places)) for run, places, shown in _first_shown(folders, rows) if shown]
    except LeanetError as error:  # concerns only this cell's networks
        told["missing"] = f"Without pictures of the evidence: {error}"
        return
    found = [(shown, values) for shown, values in every if values is not None]
    if found:
        colors = _colors(evidence_scale(values for _, values in found))
        maps = [(shown, shrunk(values, MAP_SIDE)) for shown, values in found]
        told["evidence"] = _kept(data, block_sprite(maps, len(rows), colors, f"evidence ±{colors[1]:.2g}"))
        if told["evidence"] is None:
            told["missing"] = _FULL.format("evidence")


def _kept(data: Data, made: Sprite) -> int | None:
    """Add a sprite to the page, and return its index; None if the page is full."""
    if sum(len(str(other["uri"])) for other in data["sprites"]) + len(str(made["uri"])) > MOST_BYTES:
        return None
    data["sprites"].append(made)
    return len(data["sprites"]) - 1


def _first_shown(folders: Sequence[str], rows: dict[ImageKey, int]) -> Iterator[tuple[int, list[int], list[int]]]:
    """For each run, the images that no earlier run has: index of the run, places in it, rows of the sprite.

    Repeats with other splits test the same images; the first is shown.
    """
    missing = set(rows.values())
    for run, folder in enumerate(folders):
        keys = Predictions.of(folder).keys
        places = [place for place, key in enumerate(keys) if rows.get(key) in missing]
        shown = [rows[keys[place]] for place in places]
        missing.difference_update(shown)
        yield run, places, shown


def _images(gallery: Gallery, folders: Sequence[str], rows: dict[ImageKey, int]) -> Sprite:
    """The sprite of the images from all cells, since cells may have different folds."""
    tiles: NDArray[np.uint8] | None = None
    side = LARGE_SIDE if len(rows) <= FEW else IMAGE_SIDE
    for run, places, shown in _first_shown(folders, rows):
        if shown:
            pictures = small(gallery.of(folders[run]).photographs(places), side)
            tiles = np.zeros((len(rows), *pictures.shape[1:]), dtype=np.uint8) if tiles is None else tiles
            tiles[shown] = pictures
    assert tiles is not None  # a finished cell has a fold, and a fold has images
    return sprite(tiles, "original", quality=80)


def _maps(folders: Sequence[str], runs: Sequence[FoldPictures], rows: dict[ImageKey, int]) -> Sprite:
    found = [
        (shown, shrunk(runs[run].maps(places), MAP_SIDE)) for run, places, shown in _first_shown(folders, rows) if shown
    ]
    # As on a run's sheet: a few outliers must not darken all maps, and noise must not look strong.
    high = max(2.0, *(float(np.quantile(values[..., ::2, ::2], 0.998)) for _, values in found))
    tiles = np.zeros((len(rows), *found[0][1].shape[1:], 3), dtype=np.uint8)
    for shown, values in found:
        tiles[shown] = coloured(values, 0, high, "magma")
    return sprite(tiles, f"{runs[0].run.settings.map.unit or 'map'} 0–{high:.1f}")


def _colors(scale: Scale) -> Colors:
    return float(scale.norm.vmin or 0), float(scale.norm.vmax or 0), str(scale.colormap)
