"""What a report is about: the finished folds of the datasets and models that were named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leanet.errors import LeanetError
from leanet.report.lifts import PLAIN, Versus

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Selection:
    """What figures and the page are made of.

    Args:
        home: the folder of the runs (`paths.runs`).
        folds: the chosen rows of `results(home)`.
        data: the folder of datasets on this machine (`paths.data`), where pictures look for images.
        trust: whether pictures may run code that is not leanet's own, if a run's config.yaml names such.
        datasets, models: the names by which the folds were chosen; None where none were named.
        versus: what lifts are of.
    """

    home: Path
    folds: DataFrame = field(repr=False, compare=False)
    data: Path
    trust: bool = False
    datasets: Sequence[str] | None = None
    models: Sequence[str] | None = None
    versus: Versus = PLAIN


def chosen(folds: DataFrame, home: Path, datasets: Sequence[str] | None, models: Sequence[str] | None) -> DataFrame:
    """The folds of these datasets and models; of all where none are named.

    Raises:
        LeanetError: no run is done, or none of one of the names.
    """
    if folds.empty:
        raise LeanetError(f"paths.runs={home}: no run is done there")
    for kind, wanted, columns in (("dataset", datasets, ["dataset", "dataset_name"]), ("model", models, ["model"])):
        if wanted is None:
            continue
        unknown = sorted({*wanted} - {name for column in columns for name in folds[column]})
        if unknown:
            there = ", ".join(sorted(set(folds[kind])))
            raise LeanetError(f"{kind}s=[{unknown[0]}]: no run of it is done in {home}; there are {there}")
        folds = folds[folds[columns].isin(wanted).any(axis=1)]
    return folds


def check_against(folds: DataFrame, against: str | None) -> None:
    """LeanetError unless `against` is the name of a model in the table, without its share of positives."""
    there = set(folds["unthinned"])
    if against is not None and against not in there:
        raise LeanetError(f"against={against}: no run of it is among them; there are {', '.join(sorted(there))}")
