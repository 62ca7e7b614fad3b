"""Distinguish datasets of the same name, by their fingerprints and, for people, by settings that differ."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leanet.config.differences import Facts, differences
from leanet.config.settings import Settings
from leanet.data.images import Index
from leanet.errors import LeanetError
from leanet.report.predictions import Predictions
from leanet.runs.run import Run

Result = Mapping[str, Any]  # a run's result.json
_NOT_THE_IMAGES = (
    "_target_",
    "name",
    "image_size",
    "fit",
    "folds_file",
    "groups",
    "kinds",
    "origin",
)  # of a dataset's settings


@dataclass
class CellRecords:
    """The runs of a cell before they are in the table.

    Args:
        settings: of the cell.
        fingerprint: of the images; None if the results do not have it.
        records: for each run, its values by names of columns.
    """

    settings: Settings
    fingerprint: str | None
    records: list[Facts]


def identify(cells: Sequence[CellRecords]) -> None:
    """Add the fingerprint and a unique name of the dataset to each record.

    Two datasets named `folder` become `folder (root=leaves)` and `folder (root=pills)`; if no setting differs, the
    fingerprint is added. Datasets of different image sizes are in different tables, and are not compared.

    Args:
        cells: all cells; their records are changed in place.
    """
    _complete(cells)
    sets: dict[tuple[str, int], dict[str, Facts]] = {}  # by name and size, then by what identifies the images
    places = []
    for cell in cells:
        facts = _settings(cell)
        record, images = cell.records[0], cell.fingerprint or repr(facts)
        facts["fingerprint"] = (cell.fingerprint or "unknown")[:8]
        of_name = sets.setdefault((record["dataset_name"], record["image_size"]), {})
        before = of_name.get(images, facts)  # the same images may have been moved meanwhile
        of_name[images] = {name: value for name, value in before.items() if facts.get(name) == value}
        places.append((of_name, images))
    words = {id(of_name): dict(zip(of_name, _words(of_name.values()), strict=True)) for of_name in sets.values()}
    for cell, (of_name, images) in zip(cells, places, strict=True):
        for record in cell.records:
            record |= {"fingerprint": cell.fingerprint, "dataset": record["dataset_name"] + words[id(of_name)][images]}


def _settings(cell: CellRecords) -> Facts:
    """The settings of a cell's dataset that identify the images."""
    given = {name: value for name, value in cell.settings.dataset.items() if name not in _NOT_THE_IMAGES}
    return {**given, "root": cell.settings.root}


def _words(sets: Iterable[Facts]) -> list[str]:
    """For each dataset, the settings that differ from the others, in parentheses; empty for a single one."""
    every = list(sets)
    names = [name for name in differences(every) if name != "fingerprint" and all(name in facts for facts in every)]
    times = Counter(_said(facts, names) for facts in every)
    return [_said(facts, names if times[_said(facts, names)] == 1 else [*names, "fingerprint"]) for facts in every]


def _said(facts: Facts, names: Sequence[str]) -> str:
    return f" ({' '.join(f'{name}={facts.get(name)}' for name in names)})" if names else ""


def _complete(cells: Sequence[CellRecords]) -> None:
    """Find the fingerprints of older runs, whose results do not have them.

    It is computed from the test images of all folds. If not all folds are finished, the fingerprints of other cells are
    tried, until one gives the cell's identity.
    """
    known: dict[str, dict[str, None]] = {}
    for cell in cells:
        cell.fingerprint = cell.fingerprint or _of_all_folds(cell.records)
        if cell.fingerprint:
            known.setdefault(cell.records[0]["dataset_name"], {})[cell.fingerprint] = None
    for cell in cells:
        if not cell.fingerprint:
            cell.fingerprint = _recognised(cell, known.get(cell.records[0]["dataset_name"], ()))


def _of_all_folds(records: Sequence[Facts]) -> str | None:
    """The fingerprint from the test images of all folds; None if a fold or its predictions are missing."""
    if len({record["fold"] for record in records}) < records[0]["folds"]:
        return None
    with suppress(LeanetError):
        every = [Predictions.of(Path(record["folder"])) for record in records]
        parts = [zip(one.names, one.labels.tolist(), one.sha256, strict=True) for one in every]
        return Index.of([entry for part in parts for entry in part]).fingerprint
    return None


def _recognised(cell: CellRecords, known: Iterable[str]) -> str | None:
    with suppress(LeanetError):  # files that the identity depends on may be gone
        identity = cell.records[0]["cell"]
        return next((found for found in known if Run(cell.settings, found, 1).cell == identity), None)
    return None
