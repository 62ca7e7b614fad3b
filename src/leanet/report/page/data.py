"""The data of finished folds for the page's script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from leanet.config.differences import Facts, differences
from leanet.data.images import THRESHOLD
from leanet.errors import LeanetError
from leanet.report.cells import (
    SEEDS,
    Cell,
    Key,
    Record,
    best_points,
    binding,
    by_split,
    cells_of,
    fold_names,
    in_words,
    own_of,
    records_of,
    scores,
    shared_of,
    tables_of,
    with_details,
)
from leanet.report.figures.style import style_of
from leanet.report.kinds import kind_rows
from leanet.report.lifts import Lift, lifts
from leanet.report.page import curves
from leanet.report.predictions import NO_PREDICTIONS, Predictions
from leanet.report.statistics import repeated

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_IMAGES = 3000  # of a dataset; if there are more, those with the largest errors are shown

Data = dict[str, Any]
ImageKey = tuple[str, str]  # SHA-256 and name of a file
_FIGURES = ("f1", "auroc", "ap")
_OF_MAPS = {
    "map_shift": "shift of maps",
    **{
        f"{kind}_{figure}": f"{score} of the {name}"
        for kind, name in (("map", "anomaly map"), ("attention", "attention"), ("evidence", "evidence map"))
        for figure, score in (("pixel_auroc", "pixel AUROC"), ("aupro", "AUPRO"))
    },
}
_COUNTS = ("train_negative", "train_positive", "test_negative", "test_positive")
_OF_RUNS = ("folder", "fold", *SEEDS, *_FIGURES, *_COUNTS, "validated", "seconds")


@dataclass
class Numbered:
    """Unique values in first-seen order, with an index for each."""

    values: list[Any] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, value: Any) -> int:
        """The index of a value, which is added if it is new."""
        key = json.dumps(value, sort_keys=True, default=str)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


@dataclass(frozen=True)
class PageData:
    """The data of the page.

    Args:
        data: for the script: `cells`, and lists to which they refer by index: `groups` (shared settings in words),
            `captions` (all shared settings of a cell), `configs`, `versions`, `images`, and `sprites`, which
            `add_pictures` fills.
        folders: for each of data["cells"], the folders of its runs.
        rows: for each of data["images"], the rows of its images in the sprites.
    """

    data: Data
    folders: list[list[str]]
    rows: list[dict[ImageKey, int]]


def page_data(folds: DataFrame) -> PageData:
    """Collect the data of the page, without pictures.

    Args:
        folds: as `results` returns them.
    """
    groups, details = tables_of(folds), _details(folds)
    differing = differences([shared for shared, _ in groups])
    # Values that many cells share are stored once.
    captions, configs, versions, sets = Numbered(), Numbered(), Numbered(), Numbered()
    told: list[Data] = []
    folders: list[list[str]] = []
    for number, (_, members) in enumerate(groups):
        cells, lift_of = cells_of(members), lifts(members)
        cells = cells.assign(details=[details[key] for key in cells["key"]])
        made = [name for name in members.columns if name.startswith("versions.")]
        records = records_of(members, [*_OF_RUNS, *made])
        best = set(best_points(cells, "dataset", "row", "details")["key"])
        spreads = {name: scores(members, name) for name in (*_FIGURES, "floor", "seconds", *_OF_MAPS)}
        for cell, shared, config in zip(cells.itertuples(), shared_of(cells), _configs(cells), strict=True):
            runs = records[cell.key]
            values = {name: by_split(by_cell[cell.key]) for name, by_cell in spreads.items()}
            facts = _cell(cell, runs, values, lift_of.get(cell.key)) | {"group": number, "best": cell.key in best}
            facts |= {"config": configs.place(config), "versions": versions.place(_versions(runs[-1]))}
            facts |= {"caption": captions.place(in_words(binding(cell, shared)))}
            told.append(facts | {"images": sets.place([cell.dataset, cell.image_size, cell.fit])})
            folders.append([run["folder"] for run in runs])
    read = [_predictions(facts, of_cell) for facts, of_cell in zip(told, folders, strict=True)]
    images = [_images_of(place, told, read) for place in range(len(sets.values))]
    data = {
        "cells": told,
        "groups": [in_words({name: shared[name] for name in differing}) for shared, _ in groups],
        "captions": captions.values,
        "configs": configs.values,
        "versions": versions.values,
        "images": [shown for shown, _ in images],
        "sprites": [],
    }
    return PageData(data, folders, [rows for _, rows in images])


def _cell(cell: Cell, runs: Sequence[Record], values: Mapping[str, list[list[float]]], lift: Lift | None) -> Data:
    spreads = {name: repeated(values[name]) for name in _FIGURES}
    means = {name: fmean(value for split in values[name] for value in split) for name in ("floor", "seconds")}
    return {
        "id": cell.cell,
        "dataset": cell.dataset,
        "model": cell.model,
        "details": cell.details.removeprefix(" (").removesuffix(")"),
        "point": cell.point,
        "color": style_of(cell.adn, cell.variant).color,
        "done": cell.done,
        "folds": cell.expected,
        **{name: (_shown(spread.mean), _shown(spread.sd)) for name, spread in spreads.items()},
        "floor": _shown(means["floor"]),
        "collapsed": cell.collapsed,
        "seconds": means["seconds"],
        "parameters": int(cell.parameters) if cell.parameters > 0 else None,
        "ofMaps": _of_maps(values),
        "lift": lift and _lift(lift),
        "runs": [_run(name, run) for name, run in zip(fold_names(runs), runs, strict=True)],
        "curves": curves.losses([run["folder"] for run in runs]),
        "kinds": kind_rows([run["folder"] for run in runs]),
        "maps": None,
        "attention": None,
        "evidence": None,
        "missing": None,
    }


def _details(folds: DataFrame) -> dict[Key, str]:
    """The settings of networks in which cells of the same name and dataset differ, in any table."""
    named = [with_details(cells) for _, cells in cells_of(folds).groupby("dataset", sort=False)]
    return {key: words for cells in named for key, words in zip(cells["key"], cells["details"], strict=True)}


def _lift(lift: Lift) -> Data:
    """Mean, ends of the interval and p; as in tables, with fewer than three folds only the mean."""
    low, high = lift.interval or (None, None)
    ends = {"low": _shown(low), "high": _shown(high), "p": lift.p if lift.interval else None}
    return {"mean": _shown(lift.comparison.mean), **ends}


def _of_maps(values: Mapping[str, list[list[float]]]) -> Facts:
    """How maps of test normals lie to those of training normals, and how well maps point at masks; what is known."""
    flat = {name: [value for split in values[name] for value in split] for name in _OF_MAPS}
    return {words: f"{fmean(flat[name]):.3f}" for name, words in _OF_MAPS.items() if flat[name]}


def _shown(value: float | None) -> float | None:
    """A score rounded to three digits as in tables; None for NaN. The page's script does not round again."""
    return None if value is None or value != value else round(value, 3)


def _run(name: str, run: Record) -> Data:
    figures = {figure: _shown(run[figure]) for figure in _FIGURES}
    counts = {part: [run[f"{part}_negative"], run[f"{part}_positive"]] for part in ("train", "test")}
    return {"name": name, **figures, **counts, "validation": _shown(run["validated"]), "seconds": run["seconds"]}


def _configs(cells: DataFrame) -> list[Facts]:
    """For each cell, the settings of its images, of its table, and of its networks."""
    images = cells[["dataset_name", "root", "fingerprint"]].itertuples(index=False)
    return [
        {"dataset": name, "root": root, "fingerprint": fingerprint or "unknown"} | shared | own
        for (name, root, fingerprint), shared, own in zip(images, shared_of(cells), own_of(cells), strict=True)
    ]


def _versions(run: Record) -> Facts:
    found = {name.removeprefix("versions."): version for name, version in run.items() if name.startswith("versions.")}
    return {name: version for name, version in found.items() if isinstance(version, str)}  # older runs lack some


def _predictions(told: Data, folders: Sequence[str]) -> list[Predictions]:
    """The predictions of each run of a cell; their curves and counts are added to the run's data.

    Missing files are recorded in the cell's `missing`.
    """
    found = []
    for run, folder in zip(told["runs"], folders, strict=True):
        try:
            found.append(Predictions.of(folder))
            run["roc"], run["pr"] = curves.roc(found[-1]), curves.precision_recall(found[-1])
            run["confusion"] = curves.confusion(found[-1])
        except LeanetError as error:
            told["missing"] = f"Without pictures: {error}"
            found.append(NO_PREDICTIONS)
    return found


def _images_of(
    place: int, told: Sequence[Data], read: Sequence[Sequence[Predictions]]
) -> tuple[Data, dict[ImageKey, int]]:
    """The images of one dataset, and their rows in its sprites. Rows and probabilities are added to each run's data."""
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
