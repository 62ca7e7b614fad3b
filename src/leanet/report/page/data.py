"""What the page knows of the finished folds, as plain data for its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

from leanet.config.differences import Facts, differences
from leanet.data.images import THRESHOLD
from leanet.errors import LeanetError
from leanet.report.cells import (
    KEY,
    SEEDS,
    Cell,
    best_points,
    by_split,
    cells_of,
    each_cell,
    fold_names,
    own_of,
    said,
    scores,
    shared_of,
    tables_of,
    with_details,
)
from leanet.report.csv_files import read_curves
from leanet.report.figures.series import Numbers, by_name
from leanet.report.figures.style import style_of
from leanet.report.lifts import Lift, lifts
from leanet.report.predictions import NO_PREDICTIONS, Predictions
from leanet.report.results import leave_out
from leanet.report.statistics import repeated

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_IMAGES = 3000  # of a dataset; of more, those with the largest mistakes are shown

Data = dict[str, Any]
T = TypeVar("T")
ImageKey = tuple[str, str]  # SHA-256 and name of a file
_FIGURES = ("f1", "auroc", "ap")
_COUNTS = ("train_negative", "train_positive", "test_negative", "test_positive")
_OF_RUNS = ("folder", "fold", *SEEDS, *_FIGURES, *_COUNTS, "validated", "seconds")


@dataclass(frozen=True)
class PageData:
    """Everything that the page's script is given.

    data: `cells`, and what they point into: `groups` (what they were trained with, in words), `configs`, `versions`,
        `images`, and `sprites`, which are still to be drawn.
    folds: of each of data["cells"], its rows of the table of finished folds.
    rows: of each of data["images"], the places of its images in its sprites.
    """

    data: Data
    folds: list[DataFrame]
    rows: list[dict[ImageKey, int]]


def page_data(folds: DataFrame) -> PageData:
    """All but the pictures."""
    groups = tables_of(folds)
    differing = differences([shared for shared, _ in groups])
    configs: list[Facts] = []  # what many cells share is in the page once
    versions: list[Facts] = []
    sets: list[tuple[str, int]] = []
    told: list[Data] = []
    frames: list[DataFrame] = []
    for number, (_, members) in enumerate(groups):
        cells, lift_of = with_details(cells_of(members)), lifts(members)
        made = [name for name in members.columns if name.startswith("versions.")]
        runs = each_cell(members[[*KEY, *_OF_RUNS, *made]])  # fewer columns, since there are many cells
        best = set(best_points(cells, "dataset", "row", "details")["key"])
        spreads = {name: scores(members, name) for name in (*_FIGURES, "floor", "seconds")}
        for cell, config in zip(cells.itertuples(), _configs(cells), strict=True):
            frame = runs[cell.key]
            values = {name: by_split(by_cell[cell.key]) for name, by_cell in spreads.items()}
            facts = _cell(cell, frame, values, lift_of.get(cell.key)) | {"group": number, "best": cell.key in best}
            facts |= {"config": _place(configs, config), "versions": _place(versions, _versions(frame))}
            told.append(facts | {"images": _place(sets, (cell.dataset, cell.image_size))})
            frames.append(frame)
    read = [_predictions(facts, frame) for facts, frame in zip(told, frames, strict=True)]
    images = [_images_of(place, told, read) for place in range(len(sets))]
    data = {
        "cells": told,
        "groups": [said({name: shared[name] for name in differing}) for shared, _ in groups],
        "configs": configs,
        "versions": versions,
        "images": [shown for shown, _ in images],
        "sprites": [],
    }
    return PageData(data, frames, [rows for _, rows in images])


def _place(values: list[T], value: T) -> int:
    """The place of a value among the different ones, to which it is added if it is new."""
    if value not in values:
        values.append(value)
    return values.index(value)


def _cell(cell: Cell, folds: DataFrame, values: Mapping[str, list[list[float]]], lift: Lift | None) -> Data:
    spreads = {name: repeated(values[name]) for name in _FIGURES}
    means = {name: fmean(value for split in values[name] for value in split) for name in ("floor", "seconds")}
    return {
        "id": cell.cell,
        "dataset": cell.dataset,
        "model": cell.model,
        "point": cell.point,
        "color": style_of(cell.adn, cell.variant).color,
        "done": cell.done,
        "folds": cell.expected,
        **{name: (_shown(spread.mean), _shown(spread.sd)) for name, spread in spreads.items()},
        "floor": _shown(means["floor"]),
        "collapsed": cell.collapsed,
        "seconds": means["seconds"],
        "parameters": int(cell.parameters) if cell.parameters > 0 else None,
        "lift": lift and {**{n: _shown(getattr(lift.comparison, n)) for n in ("mean", "low", "high")}, "p": lift.p},
        "runs": [_run(name, run) for name, run in zip(fold_names(folds), folds.itertuples(), strict=True)],
        "curves": _curves(folds),
        "maps": None,
        "attention": None,
        "evidence": None,
        "missing": None,
    }


def _shown(value: float | None) -> float | None:
    """Rounded once to the three digits that tables show; the page's script writes them as they are."""
    return None if value is None or value != value else round(value, 3)


def _run(name: str, run: Any) -> Data:
    figures = {figure: _shown(getattr(run, figure)) for figure in _FIGURES}
    counts = {"train": [run.train_negative, run.train_positive], "test": [run.test_negative, run.test_positive]}
    return {"name": name, **figures, **counts, "validation": _shown(run.validated), "seconds": run.seconds}


def _configs(cells: DataFrame) -> list[Facts]:
    """The settings behind each cell: which images, those that all of its table share, and those of its networks."""
    images = cells[["dataset_name", "root", "fingerprint"]].itertuples(index=False)
    return [
        {"dataset": name, "root": root, "fingerprint": fingerprint or "unknown"} | shared | own
        for (name, root, fingerprint), shared, own in zip(images, shared_of(cells), own_of(cells), strict=True)
    ]


def _versions(folds: DataFrame) -> Facts:
    last = folds.iloc[-1].filter(regex=r"^versions\.").dropna()
    return {name.removeprefix("versions."): version for name, version in last.items()}


def _curves(folds: DataFrame) -> dict[str, list[float]]:
    """Losses by epoch, the means over the folds that ran as long as the longest."""
    columns: dict[str, list[Numbers]] = {}
    for folder in folds["folder"]:
        try:
            curves = by_name(read_curves(Path(folder)))
        except LeanetError as error:
            leave_out(error)
            continue
        for name, values in curves.items():
            if name.endswith("loss"):
                columns.setdefault(name, []).append(values)
    found = {}
    for name, several in columns.items():
        longest = max(map(len, several))
        whole = [values for values in several if len(values) == longest]
        found[name] = [float(f"{fmean(of_epoch):.4g}") for of_epoch in zip(*whole, strict=True)]
    return found


def _predictions(told: Data, folds: DataFrame) -> list[Predictions]:
    """Of each run of a cell; what is gone or damaged is said in its `missing`."""
    found = []
    for folder in folds["folder"]:
        try:
            found.append(Predictions.of(folder))
        except LeanetError as error:
            told["missing"] = f"Without pictures: {error}"
            found.append(NO_PREDICTIONS)
    return found


def _images_of(
    place: int, told: Sequence[Data], read: Sequence[Sequence[Predictions]]
) -> tuple[Data, dict[ImageKey, int]]:
    """The images of one set, and their rows in its sprites; each run on them is told its rows and probabilities."""
    pairs = [
        (run, [*zip(one.keys, one.labels.tolist(), one.probabilities.tolist(), strict=True)])
        for facts, several in zip(told, read, strict=True)
        if facts["images"] == place
        for run, one in zip(facts["runs"], several, strict=True)
    ]
    labels, mistakes = dict[ImageKey, int](), dict[ImageKey, float]()
    for _, predictions in pairs:
        for key, label, chance in predictions:
            labels.setdefault(key, label)
            mistakes[key] = max(mistakes.get(key, 0.0), abs(label - chance))
    most = sorted(mistakes, key=lambda key: -mistakes[key])[:MOST_IMAGES]
    rows = {key: row for row, key in enumerate(sorted(most, key=lambda key: key[::-1]))}
    for run, predictions in pairs:
        shown = [(rows[key], label, chance) for key, label, chance in predictions if key in rows]
        run["rows"] = [row for row, _, _ in shown]
        run["chances"] = [round(1000 * chance) for _, _, chance in shown]
        run["wrong"] = "".join("1" if (chance > THRESHOLD) != bool(label) else "0" for _, label, chance in shown)
    names, text = [name for _, name in rows], "".join(str(labels[key]) for key in rows)
    return {"names": names, "labels": text, "sprite": None, "all": len(labels)}, rows
