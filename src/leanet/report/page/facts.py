"""What the page knows of the finished cells, as plain data for its script."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from leanet.config.differences import Facts, differences
from leanet.data.images import THRESHOLD
from leanet.errors import LeanetError
from leanet.report.cell import FinishedCell, Result
from leanet.report.figures.series import read_curves
from leanet.report.figures.style import style_of
from leanet.report.finished import rows_of, said, tables_of
from leanet.report.lifts import Lift, lifts
from leanet.report.predictions import NO_PREDICTIONS, Predictions
from leanet.report.statistics import repeated
from leanet.storage.run_files import CURVES

MOST_IMAGES = 3000  # of a dataset; of more, those with the largest mistakes are shown

Data = dict[str, Any]
_LIFT = ("mean", "low", "high")
Key = tuple[str, str]  # SHA-256 and name of a file


@dataclass
class Table:
    """Different values in the order of their coming, each known by its place: what many cells share is told once."""

    values: list[Any] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True, default=str)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


@dataclass
class ImageSet:
    """The test images of all cells that were tested on the same set.

    found: the images' labels, and the largest mistake that was made with each.
    cells: places of the cells.
    """

    found: dict[Key, tuple[int, float]] = field(default_factory=dict)
    cells: list[int] = field(default_factory=list)

    def rows(self) -> dict[Key, int]:
        """The images that are shown, by name, with their places in the set."""
        shown = sorted(self.found, key=lambda key: -self.found[key][1])[:MOST_IMAGES]
        return {key: row for row, key in enumerate(sorted(shown, key=lambda key: key[::-1]))}


@dataclass(frozen=True)
class PageFacts:
    """Everything that the page's script is given.

    data: `cells`, and the tables that they point into: `groups` (what they were trained with, in words), `configs`,
        `versions`, `images`, and `sprites`, which are still to be drawn.
    cells: those of data["cells"], in the same order.
    rows: of each of data["images"], the places of its images in its sprites.
    """

    data: Data
    cells: list[FinishedCell]
    rows: list[dict[Key, int]]


def page_facts(cells: Sequence[FinishedCell]) -> PageFacts:
    """All but the pictures."""
    groups = tables_of(cells)
    differing = differences([shared for shared, _ in groups])
    configs, versions, sets = Table(), Table(), Table()
    images: list[ImageSet] = []
    told: list[Data] = []
    for number, (_, members) in enumerate(groups):
        lift_of, best = lifts(members), _best(members)
        for cell in members:
            facts = _cell(cell, lift_of.get(cell.id)) | {"group": number, "best": cell.id in best}
            facts |= {"config": configs.place(_config(cell)), "versions": versions.place(cell.results[-1]["versions"])}
            place = sets.place([cell.dataset, cell.shared["dataset.image_size"]])
            if place == len(images):
                images.append(ImageSet())
            images[place].cells.append(len(told))
            told.append(facts | {"images": place})
    in_order = [cell for _, members in groups for cell in members]
    rows = [_with_predictions(found, told, in_order) for found in images]
    data = {
        "cells": told,
        "groups": [said({name: shared[name] for name in differing}) for shared, _ in groups],
        "configs": configs.values,
        "versions": versions.values,
        "images": [_named(found, kept) for found, kept in zip(images, rows, strict=True)],
        "sprites": [],
    }
    return PageFacts(data, in_order, rows)


def _best(cells: Sequence[FinishedCell]) -> set[str]:
    """The ids of the best point of each row and dataset; of rows without attention, the row's only cell."""
    found: dict[tuple[str, str], FinishedCell] = {}
    for row, members in rows_of(cells).items():
        for cell in members:
            other = found.get((cell.dataset, row))
            if other is None or (cell.done, mean(cell.values("f1"))) > (other.done, mean(other.values("f1"))):
                found[cell.dataset, row] = cell
    return {cell.id for cell in found.values()}


def _cell(cell: FinishedCell, lift: Lift | None) -> Data:
    return {
        "id": cell.id,
        "dataset": cell.dataset,
        "model": cell.model,
        "point": cell.point,
        "color": style_of(cell.model).color,
        "done": cell.done,
        "folds": cell.folds,
        **{name: _spread(cell, name) for name in ("f1", "auroc", "ap")},
        "floor": _shown(mean(cell.values("floor"))),
        "collapsed": sum(result["collapsed"] for result in cell.results),
        "seconds": mean(cell.values("seconds")),
        "parameters": cell.parameters,
        "lift": lift and {**{name: _shown(getattr(lift.comparison, name)) for name in _LIFT}, "p": lift.p},
        "runs": [_run(cell, result) for result in cell.results],
        "curves": _curves(cell),
        "maps": None,
        "attention": None,
        "evidence": None,
        "missing": None,
    }


def _spread(cell: FinishedCell, name: str) -> tuple[float, float | None]:
    found = repeated(cell.repeats(name))
    return _shown(found.mean), _shown(found.sd)


def _shown(value: Any) -> Any:
    """Rounded once to the three digits that tables show; the page's script writes them as they are."""
    return None if value is None else round(value, 3)


def _run(cell: FinishedCell, result: Result) -> Data:
    counts = {part: list(result["images"][part].values()) for part in ("train", "test")}
    figures = {figure: _shown(result[figure]) for figure in ("f1", "auroc", "ap")}
    validation = _shown((result.get("validation") or {}).get("f1"))
    seconds = result["seconds"]
    return {"name": cell.fold_name(result), **figures, **counts, "validation": validation, "seconds": seconds}


def _config(cell: FinishedCell) -> Facts:
    """The settings behind a cell: which images, those that all of its table share, and those of its networks."""
    images = {"root": cell.settings.root, "fingerprint": cell.fingerprint or "unknown"}
    return {"dataset": cell.dataset_name, **images} | cell.shared | cell.own


def _curves(cell: FinishedCell) -> dict[str, list[float]]:
    """Losses by epoch, the means over the folds that ran as long as the longest."""
    columns: dict[str, list[tuple[float, ...]]] = {}
    for result in cell.results:
        try:
            curves = read_curves(Path(result["folder"]) / CURVES)
        except LeanetError as error:
            print(f"leanet: left out: {error}", file=sys.stderr)
            continue
        for name, values in curves.items():
            if name.endswith("loss"):
                columns.setdefault(name, []).append(values)
    found = {}
    for name, several in columns.items():
        longest = max(map(len, several))
        whole = [values for values in several if len(values) == longest]
        found[name] = [float(f"{mean(of_epoch):.4g}") for of_epoch in zip(*whole, strict=True)]
    return found


def keys_of(predictions: Predictions) -> list[Key]:
    return list(zip(predictions.sha256, predictions.names, strict=True))


def _with_predictions(images: ImageSet, told: Sequence[Data], cells: Sequence[FinishedCell]) -> dict[Key, int]:
    """Tell each run of the set's cells its images' rows and probabilities; return the rows."""
    found: list[tuple[Data, list[tuple[Key, int, float]]]] = []
    for place in images.cells:
        for run, result in zip(told[place]["runs"], cells[place].results, strict=True):
            try:
                read = Predictions.of(result)
            except LeanetError as error:
                told[place]["missing"] = f"Without pictures: {error}"
                read = NO_PREDICTIONS
            predictions = list(zip(keys_of(read), read.labels.tolist(), read.probabilities.tolist(), strict=True))
            found.append((run, predictions))
            for key, label, chance in predictions:
                before = images.found.get(key, (label, 0.0))[1]
                images.found[key] = label, max(before, abs(label - chance))
    rows = images.rows()
    for run, predictions in found:
        shown = [(rows[key], label, chance) for key, label, chance in predictions if key in rows]
        run["rows"] = [row for row, _, _ in shown]
        run["chances"] = [round(1000 * chance) for _, _, chance in shown]
        run["wrong"] = "".join("1" if (chance > THRESHOLD) != bool(label) else "0" for _, label, chance in shown)
    return rows


def _named(images: ImageSet, rows: Mapping[Key, int]) -> Data:
    labels = "".join(str(images.found[key][0]) for key in rows)
    return {"names": [name for _, name in rows], "labels": labels, "sprite": None, "all": len(images.found)}
