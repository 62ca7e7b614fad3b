"""Select the finished folds of a report by the names of datasets and models."""

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
    """The input of figures and the page.

    Args:
        home: the folder of the runs (`paths.runs`).
        folds: the selected rows of `results(home)`.
        data: the folder of datasets on this machine (`paths.data`), in which images are looked for.
        trust: whether to run code named in a run's config.yaml that is not part of leanet.
        datasets: the names by which folds were selected; None: all.
        models: the names by which folds were selected; None: all.
        versus: what lifts compare.
    """

    home: Path
    folds: DataFrame = field(repr=False, compare=False)
    data: Path
    trust: bool = False
    datasets: Sequence[str] | None = None
    models: Sequence[str] | None = None
    versus: Versus = PLAIN


def chosen(folds: DataFrame, home: Path, datasets: Sequence[str] | None, models: Sequence[str] | None) -> DataFrame:
    """Select folds by datasets and models.

    Args:
        folds: as `results` returns them.
        home: the folder of the runs, for messages.
        datasets: names; None: all.
        models: names; None: all.

    Raises:
        LeanetError: no run is finished, or none with one of the names.
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
    """Raise LeanetError unless `against` is None or a model in the table, named without its share of positives."""
    there = set(folds["unthinned"])
    if against is not None and against not in there:
        raise LeanetError(f"against={against}: no run of it is among them; there are {', '.join(sorted(there))}")
