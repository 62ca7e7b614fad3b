"""Which figure: from chosen cells to drawn figures, and to files."""

from collections import Counter
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from leanet.errors import LeanetError
from leanet.report.cell import FinishedCell
from leanet.report.figures import charts, forest, series
from leanet.report.figures.naming import cells_named
from leanet.report.figures.output import to_bytes
from leanet.report.figures.selection import Chosen
from leanet.report.finished import finished_cells, tables_named
from leanet.storage.files import write_bytes

Drawn = Iterator[tuple[str, Figure]]  # each with the name of its files

_NEEDED = {  # for each figure, the runs without which there is nothing to draw
    3: "a run with maps (caan=mobilenet, say) of one of its datasets, or datasets=[…] names another one",
    4: "runs with positive_rate=1,0.5,… of one network",
    5: "a run with attention, such as caan=mobilenet point=4",
    6: "a run with maps (caan=mobilenet, say) of one of its datasets, or datasets=[…] names another one",
    "points": "runs with attention at two points or more, such as caan=mobilenet point=1,2,3,4,5",
    "lifts": "a run with attention, such as caan=mobilenet, and its plain ADN's on the same fold",
    "curves": "a run that keeps its losses; those done before this was so have none",
    "mistakes": "a run",
}


def write_figures(chosen: Chosen, figure: int | str) -> None:
    """Draw a figure of those that the command knows, into paths.runs/report as PDF and PNG, and say which files.

    Raises:
        LeanetError: no run that is needed for it is done, or what is needed of one is gone.
    """
    names: Counter[str] = Counter()
    for name, drawn in figures_of(chosen, figure):
        names[name] += 1
        name += f"-{names[name]}" if names[name] > 1 else ""  # two datasets' names may be one file's name
        for ending in ("pdf", "png"):
            write_bytes(chosen.home / "report" / f"{name}.{ending}", to_bytes(drawn, ending))
        print(f"written: {chosen.home / 'report' / name}.{{pdf,png}}")
    if not names:
        raise LeanetError(f"figure={figure}: nothing to draw in {chosen.home}; it needs {_NEEDED[figure]}")


def figures_of(chosen: Chosen, figure: int | str) -> Drawn:
    """The figures that `figure` asks for, one after the other."""
    if figure == 4:
        return _by_share(chosen)
    if figure == "points":
        return _by_point(chosen)
    if figure == "lifts":
        return _lifts(chosen)
    if figure == "curves":
        return _curves(chosen)
    from leanet.report.figures import pictured  # here, since charts need no networks

    if figure == 5:
        return pictured.features(chosen)
    return pictured.mistakes(chosen) if figure == "mistakes" else pictured.examples(chosen, int(figure))


def _by_share(chosen: Chosen) -> Drawn:
    for name, cells in tables_named("figure4", _at_all_shares(chosen)):
        panels = series.scores_by_share(cells)
        if panels:
            yield name, charts.draw_by_share(panels)


def _at_all_shares(chosen: Chosen) -> Sequence[FinishedCell]:
    """The chosen cells with those of other shares of positives, whose names nobody wants to type."""
    if not chosen.models:
        return chosen.cells
    wanted = {(cell.dataset, _whole(cell)) for cell in chosen.cells}
    return [cell for cell in finished_cells(chosen.home) if (cell.dataset, _whole(cell)) in wanted]


def _whole(cell: FinishedCell) -> str:
    return series.whole_model(cell.model, series.rate_of(cell))


def _by_point(chosen: Chosen) -> Drawn:
    for name, cells in tables_named("points", chosen.cells):
        for rate in sorted({series.rate_of(cell) for cell in cells}, reverse=True):
            panels = series.scores_by_point(cell for cell in cells if series.rate_of(cell) == rate)
            if panels:
                yield name if rate == 1 else f"{name}-pos{rate:g}", charts.draw_by_point(panels)


def _lifts(chosen: Chosen) -> Drawn:
    of_another = "" if chosen.versus.figure == "f1" else f"-{chosen.versus.figure}"
    for name, cells in tables_named(f"lifts{of_another}", chosen.cells):
        panels = forest.forests_of(cells, chosen.versus)
        if panels:
            yield name, forest.draw_forests(panels, chosen.versus)


def _curves(chosen: Chosen) -> Drawn:
    for name, cell in cells_named("curves", chosen.cells):
        losses = series.losses_of(chosen.home, cell)
        if losses.without:
            folds = f"fold{'s' if len(losses.without) > 1 else ''} {', '.join(map(str, losses.without))}"
            print(f"{cell.dataset}, {cell.model}: no losses were kept of {folds}, done by an older version")
        if losses.curves:
            yield name, charts.draw_losses(f"{cell.dataset} · {cell.model}", cell.model, losses)
