"""What charts show, as numbers: taken from finished cells, without their images."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from leanet.errors import LeanetError
from leanet.report.cell import FinishedCell
from leanet.report.finished import rows_of
from leanet.storage.run_files import CURVES


@dataclass(frozen=True)
class Line:
    """F1 of one method at several places.

    method: its name, which decides its style.
    x: the places, rising: shares of positives in 0…1, or points 1…5.
    folds: at each place, F1 of each finished fold.
    """

    method: str
    x: tuple[float, ...]
    folds: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Scores:
    """What one panel shows.

    plain: F1 of the folds without attention, by method; for methods that have no places.
    floor: F1 of answering "anomalous" to everything, the mean over folds; None where it is not shown.
    """

    dataset: str
    lines: tuple[Line, ...]
    plain: dict[str, tuple[float, ...]]
    floor: float | None = None


def scores_by_share(cells: Iterable[FinishedCell]) -> list[Scores]:
    """F1 over the share of positives among all training images (Figure 4), of methods that have several shares.

    A method with attention stands at each share with the best of its points, by the mean over the test folds, which
    is how the paper chooses; of those points that are done at all its shares, if there are any. `cells` are of one
    table.
    """
    found = []
    for dataset, members in _by_dataset(cells).items():
        lines = []
        for method, of_method in _by_method(members).items():
            best = _best_by_rate(of_method)
            if len(best) > 1:
                lines.append(_line(method, best, [mean(cell.values("positives_of_all")) for cell in best]))
        if lines:
            found.append(Scores(dataset, tuple(lines), {}))
    return found


def scores_by_point(cells: Iterable[FinishedCell]) -> list[Scores]:
    """F1 over the attention points, beside the plain ADN; of datasets that have a method at two points or more.

    `cells` are of one table and one share of positives.
    """
    found = []
    for dataset, members in _by_dataset(cells).items():
        rows = rows_of(members)
        lines = []
        for method, of_method in rows.items():
            at = {float(cell.point): cell for cell in of_method if cell.point is not None}
            if len(at) > 1:
                lines.append(_line(method, list(at.values()), list(at)))
        if lines:
            adns = {cell.config["adn"]["name"] for line in lines for cell in rows[line.method]}
            plain = {row: tuple(same[0].values("f1")) for row, same in rows.items() if _is_plain(same[0], adns)}
            floor = mean(value for cell in members for value in cell.values("floor"))
            found.append(Scores(dataset, tuple(lines), plain, floor))
    return found


def rate_of(cell: FinishedCell) -> float:
    """The share of the training positives that the cell kept, 0…1."""
    return float(cell.config["positive_rate"])


def whole_model(model: str, rate: float) -> str:
    """The name of the same model with all its positives: resnet18+mobilenet@4 of resnet18+mobilenet@4-pos0.5."""
    name, space, more = model.partition(" (")
    return name.removesuffix(f"-pos{rate:g}") + space + more


def _by_dataset(cells: Iterable[FinishedCell]) -> dict[str, list[FinishedCell]]:
    found: dict[str, list[FinishedCell]] = {}
    for cell in cells:
        found.setdefault(cell.dataset, []).append(cell)
    return found


def _by_method(cells: Iterable[FinishedCell]) -> dict[str, list[FinishedCell]]:
    """The cells by their row, whatever their share of positives."""
    found: dict[str, list[FinishedCell]] = {}
    for row, members in rows_of(cells).items():
        for cell in members:
            found.setdefault(whole_model(row, rate_of(cell)), []).append(cell)
    return found


def _best_by_rate(cells: Sequence[FinishedCell]) -> list[FinishedCell]:
    """Of one method's cells the best point at each share of positives."""
    by_rate: dict[float, list[FinishedCell]] = {}
    for cell in cells:
        by_rate.setdefault(rate_of(cell), []).append(cell)
    everywhere = set.intersection(*({cell.point for cell in same} for same in by_rate.values()))
    return [max(same, key=lambda cell: (cell.point in everywhere, _rank(cell))) for same in by_rate.values()]


def _rank(cell: FinishedCell) -> tuple[int, float, int]:
    """By which the best of a method's points is chosen, as in tables: more folds, a higher mean, a shallower point."""
    return len(cell.results), mean(cell.values("f1")), -(cell.point or 0)


def _is_plain(cell: FinishedCell, adns: set[str]) -> bool:
    return cell.point is None and cell.config["input"]["name"] == "rgb" and cell.config["adn"]["name"] in adns


def _line(method: str, cells: Sequence[FinishedCell], x: Sequence[float]) -> Line:
    placed = sorted(zip(x, (tuple(cell.values("f1")) for cell in cells), strict=True))
    return Line(method, tuple(place for place, _ in placed), tuple(folds for _, folds in placed))


@dataclass(frozen=True)
class Curve:
    """A loss of one fit, epoch by epoch from the first."""

    fold: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Losses:
    """The losses of a cell's fits by name (adn_loss, caan_loss, colorizer), each with a curve for each fold.

    without: folds that kept none, since they were trained before losses were kept.
    """

    curves: dict[str, tuple[Curve, ...]]
    without: tuple[int, ...]


def losses_of(home: Path, cell: FinishedCell) -> Losses:
    """What the runs of `cell` under `home` (paths.runs) wrote down while they were trained."""
    found: dict[str, list[Curve]] = {}
    without = []
    for result in cell.results:
        columns = read_curves(Path(result["folder"]) / CURVES)
        if not columns:
            without.append(int(result["fold"]))
        columns = {name: columns[name] for name in ("adn_loss", "caan_loss") if name in columns}
        colorizer = result.get("colorizer")  # the name of its folder, or of several; older runs do not tell
        if isinstance(colorizer, str) and (kept := read_curves(home / "colorizers" / colorizer / CURVES)):
            columns["colorizer"] = kept["loss"]
        for name, values in columns.items():
            found.setdefault(name, []).append(Curve(int(result["fold"]), values))
    return Losses({name: tuple(curves) for name, curves in found.items()}, tuple(without))


def read_curves(file: Path) -> dict[str, tuple[float, ...]]:
    """The losses in a curves.csv by name, each with its value after every epoch; nothing for a fit that kept none."""
    if not file.exists():
        return {}
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        return {name: tuple(float(row[name]) for row in rows) for name in (rows[0] if rows else {}) if name != "epoch"}
    except (ValueError, TypeError, csv.Error):
        raise LeanetError(f"{file}: damaged; remove it, and the losses of that run are left out") from None
