"""The page's pictures: test images with their anomaly, attention and evidence maps, as sprites of a set of images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leanet.errors import LeanetError
from leanet.pictures.picture_page import Scale, attention_scale, evidence_scale
from leanet.report.cell import FinishedCell, Result
from leanet.report.figures.pictures import ATTENTION, FoldPictures, Gallery
from leanet.report.page.facts import Data, Key, PageFacts, keys_of
from leanet.report.page.sprites import Sprite, coloured, shrunk, small, sprite
from leanet.report.predictions import Predictions
from leanet.storage.files import read_array

MOST_BYTES = 40_000_000  # of all pictures; what comes later is left out, and the page says so
IMAGE_SIDE, MAP_SIDE = 80, 64


def add_pictures(facts: PageFacts, gallery: Gallery) -> None:
    """Draw the sprites of all sets of images; what cannot be shown of a cell is said in its `missing`."""
    for place, rows in enumerate(facts.rows):
        if not rows:  # no predictions could be read
            continue
        members = [
            (told, cell) for told, cell in zip(facts.data["cells"], facts.cells, strict=True) if told["images"] == place
        ]
        try:
            _add_set(facts.data, place, rows, members, gallery)
        except LeanetError as error:
            for told, _ in members:
                told["missing"] = f"Without pictures: {error}"


def _add_set(
    data: Data, place: int, rows: dict[Key, int], members: Sequence[tuple[Data, FinishedCell]], gallery: Gallery
) -> None:
    data["images"][place]["sprite"] = _kept(data, _images(gallery, [cell for _, cell in members], rows))
    maps: dict[tuple[Path, ...], int | None] = {}
    # The best rows come first, while there is room.
    for told, cell in sorted(members, key=lambda member: (not member[0]["best"], -member[0]["f1"][0])):
        runs = [gallery.of(result) for result in cell.results]
        if runs[0].run.settings.needs_maps:
            key = tuple(pictures.run.maps_file for pictures in runs)
            if key not in maps:
                maps[key] = _kept(data, _maps(cell, runs, rows))
            told["maps"] = maps[key]
        attention = list(_attention(cell, rows))
        if attention and told["best"]:
            told["attention"] = _kept(data, _attention_sprite(attention, len(rows)))
            if told["attention"] is None:
                told["missing"] = "Without pictures of the attention: the page is full; datasets=[…] makes it smaller."
        elif attention:
            told["missing"] = "Pictures of the attention are shown at the best point of each row."
        _add_evidence(data, told, cell, runs, rows)


def _add_evidence(
    data: Data, told: Data, cell: FinishedCell, runs: Sequence[FoldPictures], rows: dict[Key, int]
) -> None:
    try:
        evidence = list(_evidence(cell, runs, rows))
    except LeanetError as error:  # of this cell's networks alone
        told["missing"] = f"Without pictures of the evidence: {error}"
        return
    if evidence:
        told["evidence"] = _kept(data, _evidence_sprite(evidence, len(rows)))
        if told["evidence"] is None:
            told["missing"] = "Without pictures of the evidence: the page is full; datasets=[…] makes it smaller."


def _kept(data: Data, made: Sprite) -> int | None:
    """The sprite's place in the page; None if there is no room for it."""
    if sum(len(str(other["uri"])) for other in data["sprites"]) + len(str(made["uri"])) > MOST_BYTES:
        return None
    data["sprites"].append(made)
    return len(data["sprites"]) - 1


def _images(gallery: Gallery, cells: Sequence[FinishedCell], rows: dict[Key, int]) -> Sprite:
    """Of all rows, whichever cells have them: one may have other folds than the next."""
    tiles: NDArray[np.uint8] | None = None
    missing = set(rows.values())
    for result in (result for cell in cells for result in cell.results):
        places, shown = _in_sprites(result, rows, missing)
        if not shown:
            continue
        pictures = small(gallery.of(result).batch(places)["images"].numpy(), IMAGE_SIDE)
        if tiles is None:
            tiles = np.zeros((len(rows), *pictures.shape[1:]), dtype=np.uint8)
        tiles[shown] = pictures
        missing.difference_update(shown)
    assert tiles is not None  # a finished cell has a fold, and a fold has images
    return sprite(tiles, "original", quality=80)


def _maps(cell: FinishedCell, runs: Sequence[FoldPictures], rows: dict[Key, int]) -> Sprite:
    found = []
    missing = set(rows.values())
    for result, pictures in zip(cell.results, runs, strict=True):
        places, shown = _in_sprites(result, rows, missing)
        if shown:
            found.append((shown, shrunk(pictures.batch(places)["maps"][:, 0].float().numpy(), MAP_SIDE)))
        missing.difference_update(shown)
    # As on a run's sheet: a few wild pixels must not darken all maps, and noise must not look like much.
    high = max(2.0, *(float(np.quantile(values[..., ::2, ::2], 0.998)) for _, values in found))
    tiles = np.zeros((len(rows), *found[0][1].shape[1:], 3), dtype=np.uint8)
    for shown, values in found:
        tiles[shown] = coloured(values, 0, high, "magma")
    unit = cell.settings.map.unit or "map"
    return sprite(tiles, f"{unit} 0–{high:.1f}")


def _attention(cell: FinishedCell, rows: dict[Key, int]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Of each run that kept its attention maps: rows, and maps (n, h, w)."""
    missing = set(rows.values())
    for result in cell.results:
        file = Path(result["folder"]) / ATTENTION
        if file.exists():
            places, shown = _in_sprites(result, rows, missing)
            yield shown, read_array(file)[places].astype(np.float32)
            missing.difference_update(shown)


def _attention_sprite(found: Sequence[tuple[list[int], NDArray[np.float32]]], count: int) -> Sprite:
    scale = attention_scale(values for _, values in found)
    low, high = _ends(scale)
    side = max(values.shape[-1] for _, values in found)
    return sprite(_painted(found, count, side, scale), f"attention {low:.2f}–{high:.2f}".replace("-", "−"))


def _evidence(
    cell: FinishedCell, runs: Sequence[FoldPictures], rows: dict[Key, int]
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Of each run of a frozen network: rows, and what each position adds to the logit, (n, h, w)."""
    missing = set(rows.values())
    for result, pictures in zip(cell.results, runs, strict=True):
        places, shown = _in_sprites(result, rows, missing)
        evidence = pictures.evidence(places) if shown else None
        if evidence is not None:
            yield shown, evidence
        missing.difference_update(shown)


def _evidence_sprite(found: Sequence[tuple[list[int], NDArray[np.float32]]], count: int) -> Sprite:
    scale = evidence_scale(values for _, values in found)
    small = [(shown, shrunk(values, MAP_SIDE)) for shown, values in found]
    tiles = _painted(small, count, MAP_SIDE, scale)  # WebP would mix the colours of smaller ones
    return sprite(tiles, f"evidence ±{_ends(scale)[1]:.2g}")


def _ends(scale: Scale) -> tuple[float, float]:
    return float(scale.norm.vmin or 0), float(scale.norm.vmax or 0)


def _painted(
    found: Sequence[tuple[list[int], NDArray[np.float32]]], count: int, side: int, scale: Scale
) -> NDArray[np.uint8]:
    """Rows with maps (n, h, w) → (count, S, S, 3) in the scale's colours; S is h times what fits in `side`."""
    times = [side // values.shape[-1] for _, values in found]
    side = max(values.shape[-1] * each for (_, values), each in zip(found, times, strict=True))
    tiles = np.zeros((count, side, side, 3), dtype=np.uint8)
    for (shown, values), each in zip(found, times, strict=True):
        tiles[shown] = coloured(values.repeat(each, 1).repeat(each, 2), *_ends(scale), str(scale.colormap))
    return tiles


def _in_sprites(result: Result, rows: dict[Key, int], missing: set[int]) -> tuple[list[int], list[int]]:
    """Of a run's images those that are still missing in a sprite: their places in the run, and their rows.

    Of repeats with other splits, which test the same images, the first is shown.
    """
    keys = keys_of(Predictions.of(result))
    places = [place for place, key in enumerate(keys) if rows.get(key) in missing]
    return places, [rows[keys[place]] for place in places]
