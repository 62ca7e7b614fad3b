"""The numbers that charts show, from the table of finished folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from leanet.report.cells import Cell, Key, best_points, cells_of, scores, with_details
from leanet.report.csv_files import read_curves
from leanet.report.figures.style import Style, style_of_cell
from leanet.report.lifts import Lift, Versus, lifts
from leanet.report.statistics import ByFold

if TYPE_CHECKING:
    from pandas import DataFrame

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """F1 of one method at several x values.

    Args:
        method: its name.
        style: how it is drawn.
        x: ascending shares of positives in 0…1, or points 1…5.
        folds: at each x, F1 of the finished folds.
        attends: whether the method has attention.
    """

    method: str
    style: Style
    x: Numbers
    folds: tuple[Numbers, ...]
    attends: bool = False


@dataclass(frozen=True)
class Level:
    """F1 of a method without x values: the plain ADN beside the attention points.

    Args:
        method: its name.
        style: how it is drawn.
        folds: F1 of the finished folds.
    """

    method: str
    style: Style
    folds: Numbers


@dataclass(frozen=True)
class Scores:
    """The content of one panel.

    Args:
        dataset: its name.
        lines: the methods.
        plain: the plain ADNs.
        floor: F1 of calling every image anomalous, the mean over folds; None: not shown.
    """

    dataset: str
    lines: tuple[Line, ...]
    plain: tuple[Level, ...] = ()
    floor: float | None = None


def scores_by_share(folds: DataFrame) -> list[Scores]:
    """F1 over the share of positives among all training images (Figure 4), for methods with several shares.

    For a method with attention, the best point at each share is shown, among the points that are finished at all shares
    if there are such.

    Args:
        folds: of one table.
    """
    f1, shares, found = scores(folds, "f1"), scores(folds, "positives_of_all"), []
    for dataset, cells in _by_dataset(folds):
        lines = []
        for _, members in cells.groupby(["method", "details"], sort=False):
            everywhere = set.intersection(*(set(same["point"]) for _, same in members.groupby("positive_rate")))
            kept = members[[point in everywhere for point in members["point"]]] if everywhere else members
            best = best_points(kept, "positive_rate")
            if len(best) > 1:
                lines.append(_line(best, "method", f1, lambda cell: fmean(shares[cell.key].values())))
        if lines:
            found.append(Scores(dataset, tuple(lines)))
    return found


def scores_by_point(folds: DataFrame) -> list[Scores]:
    """F1 over the attention points, with the plain ADN, for datasets with a method at two or more points.

    Args:
        folds: of one table and one share of positives.
    """
    f1, floors, found = scores(folds, "f1"), scores(folds, "floor"), []
    for dataset, cells in _by_dataset(folds):
        rows = [members for _, members in cells.groupby(["row", "details"], sort=False)]
        drawn = [at for members in rows if len(at := members[members["point"].notna()]) > 1]
        if drawn:
            lines = tuple(_line(at, "row", f1, lambda cell: float(cell.point)) for at in drawn)
            adns = {adn for at in drawn for adn in at["adn"]}
            firsts = [next(members.itertuples()) for members in rows]
            plain = tuple(
                Level(cell.row + cell.details, style_of_cell(cell), tuple(f1[cell.key].values()))
                for cell in firsts
                if cell.point is None and cell.input == "rgb" and cell.adn in adns
            )
            floor = fmean(value for key in cells["key"] for value in floors[key].values())
            found.append(Scores(dataset, lines, plain, floor))
    return found


def lifts_by_dataset(folds: DataFrame, versus: Versus) -> dict[str, list[tuple[str, Style, Lift]]]:
    """The models with lifts by dataset, sorted by lift, the largest first.

    Args:
        folds: of one table.
        versus: what lifts compare.

    Returns:
        for each dataset with lifts: name, style and lift of each model.
    """
    of_cell = lifts(folds, versus)
    found = {}
    for dataset, cells in sorted(_by_dataset(folds), key=lambda pair: pair[0]):
        drawn = sorted(
            (cell for cell in cells.itertuples() if cell.key in of_cell),
            key=lambda cell: -of_cell[cell.key].comparison.mean,
        )
        if drawn:
            found[dataset] = [(cell.model + cell.details, style_of_cell(cell), of_cell[cell.key]) for cell in drawn]
    return found


def _by_dataset(folds: DataFrame) -> list[tuple[str, DataFrame]]:
    """The cells of each dataset, with their details."""
    cells = cells_of(folds)
    return [(dataset, with_details(members)) for dataset, members in cells.groupby("dataset", sort=False)]


def _line(cells: DataFrame, name: str, f1: Mapping[Key, ByFold], place: Callable[[Cell], float]) -> Line:
    """The line of a method, whose name is in the column `name`."""
    x, folds = zip(*sorted((place(cell), tuple(f1[cell.key].values())) for cell in cells.itertuples()), strict=True)
    first = next(cells.itertuples())
    return Line(getattr(first, name) + first.details, style_of_cell(first), x, folds, first.attention is not None)


@dataclass(frozen=True)
class Losses:
    """The losses of a cell's fits.

    Args:
        curves: by name (adn_loss, caan_loss, colorizer), for each fold the value at each epoch.
        without: folds of older versions, which did not keep losses.
    """

    curves: dict[str, tuple[Numbers, ...]]
    without: tuple[int, ...] = ()


def losses_of(home: Path, folds: DataFrame) -> Losses:
    """Read the losses of a cell.

    Args:
        home: the folder of the runs (`paths.runs`).
        folds: of the cell.
    """
    found: dict[str, list[Numbers]] = {}
    without = []
    for run in folds.itertuples():
        columns = by_name(read_curves(Path(run.folder)))
        if not columns:
            without.append(int(run.fold))
        columns = {name: columns[name] for name in ("adn_loss", "caan_loss") if name in columns}
        if run.colorizer_folder and (kept := read_curves(home / "colorizers" / run.colorizer_folder)):
            columns["colorizer"] = by_name(kept)["loss"]
        for name, values in columns.items():
            found.setdefault(name, []).append(values)
    return Losses({name: tuple(curves) for name, curves in found.items()}, tuple(without))


def by_name(curves: Sequence[Mapping[str, float]]) -> dict[str, Numbers]:
    """Convert rows of curves.csv to the values at each epoch by the names of losses."""
    names = [name for name in (curves[0] if curves else {}) if name != "epoch"]
    return {name: tuple(row[name] for row in curves) for name in names}
