"""A table of the kinds of anomalies: how many of each are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest

from leanet.report.cells import KEY, cells_of
from leanet.report.tables import Table, spread
from leanet.runs.run import read_result
from leanet.storage.run_files import RESULT

if TYPE_CHECKING:
    from pandas import DataFrame

HEADER = ["dataset", "model", "kind", "images", "detected", "recall", "auroc"]
NOTE = (
    "images, detected: anomalous images of the kind in the test folds, and those with P(anomalous) above 0.5. recall: "
    "detected / images, with the 95 % interval of Wilson. auroc: of the kind's images and all normal ones, mean ± SD "
    "over folds."
)


def kinds_table(folds: DataFrame) -> Table:
    """A table with a row for each cell and kind; without rows if no run knows kinds.

    Args:
        folds: of one table.
    """
    rows = []
    for cell in cells_of(folds).itertuples():
        of_cell = folds[(folds[KEY] == list(cell.key)).all(axis=1)]
        rows += [[cell.dataset, cell.model, *row] for row in kind_rows(list(of_cell["folder"]))]
    return HEADER, rows


def kind_rows(folders: list[str]) -> list[list[str]]:
    """For each kind, its name, images, detected, recall and AUROC as text.

    Args:
        folders: of a cell's finished runs.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        kinds = (read_result(Path(folder) / RESULT) or {}).get("kinds") or {}
        for kind, scores in kinds.items():
            found.setdefault(kind, []).append(scores)
    return [_row(kind, scores) for kind, scores in sorted(found.items())]


def _row(kind: str, folds: list[dict[str, Any]]) -> list[str]:
    images, detected = (sum(fold[name] for fold in folds) for name in ("images", "detected"))
    low, high = binomtest(detected, images).proportion_ci(method="wilson")
    recall = f"{detected / images:.3f} [{low:.3f}, {high:.3f}]"
    return [kind, str(images), str(detected), recall, spread([fold["auroc"] for fold in folds])]
