"""Tables as text: the table of a few cells, and any table in Markdown and CSV."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from leanet.report.map_shift import shift_warning
from leanet.report.statistics import repeated
from leanet.runs.model_name import size_name
from leanet.runs.run import Run

Result = dict[str, Any]
Table = tuple[list[str], list[list[str]]]  # header and rows

COLUMNS = ("", "F1", "AUROC", "AP", "last epochs' F1", "collapsed", "folds")


def cell_table(cells: Mapping[str, Sequence[Result]]) -> str:
    """A Markdown table of cells, with a row for the ADN and one for the CAAN's own head.

    It shows mean ± sample SD over folds; `collapsed` counts folds in which all images got the same prediction. The last
    row is the floor: calling every image positive.

    Args:
        cells: the folds' results by name.
    """
    rows = []
    for name, results in cells.items():
        folds = results[0]["folds"]
        rows.append(_row(name, results, folds))
        if results[0]["caan"] is not None:
            rows.append(_row(f"{name}, CAAN's own head", [result["caan"] for result in results], folds))
    floors = [result["floor"] for result in list(cells.values())[-1]]
    rows.append(["always positive", spread(floors), "0.500", "", "", "", ""])
    return tabulate(rows, headers=COLUMNS, tablefmt="github", disable_numparse=True)


def print_cell(runs: Sequence[Run]) -> float:
    """Print the table of a cell, with the row of the plain ADN above it if that is finished.

    Args:
        runs: of the cell.

    Returns:
        the mean F1 over finished folds.
    """
    results = [result for run in runs if (result := run.result)]
    plain = [result for run in runs if (result := run.plain.result)]
    cells = {runs[0].plain.model: plain} if plain else {}
    cells[runs[0].model] = results  # the same where it is the plain ADN
    print(f"\n{runs[0].settings.dataset_name}, {size_name(runs[0].settings)}\n\n{cell_table(cells)}\n")
    shifts = [result["maps"]["shift"] for result in results if result.get("maps")]
    if warning := shift_warning({runs[0].model: shifts}):
        print(f"{warning}\n")
    print(f"picture: {runs[0].folder / 'sheet.png'}")
    return statistics.fmean(result["f1"] for result in results)


def spread(values: Sequence[float]) -> str:
    """Mean ± sample SD as text; a single value without SD."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def pooled_spread(repeats: Sequence[Sequence[float]]) -> str:
    """Mean ± SD over folds as text, pooled over repeats as in `repeated`."""
    found = repeated(repeats)
    return f"{found.mean:z.3f}" if found.sd is None else f"{found.mean:z.3f} ± {found.sd:.3f}"


def markdown(table: Table) -> str:
    """A table in Markdown."""
    return tabulate(table[1], headers=table[0], tablefmt="github", disable_numparse=True)


def comma_separated(table: Table) -> str:
    """A table as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([table[0], *table[1]])
    return out.getvalue()


def _row(name: str, results: Sequence[Result], folds: int) -> list[str]:
    figures = [spread([result[key] for result in results]) for key in ("f1", "auroc", "ap")]
    last = spread([result["last_epochs"]["mean"] for result in results])
    collapsed = str(sum(result["collapsed"] for result in results))
    return [name, *figures, last, collapsed, f"{len(results)}/{folds}"]
