"""Draw figures of selected folds, and write them to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from leanet.errors import LeanetError
from leanet.report.cells import cells_named, tables_named
from leanet.report.figures import charts, series
from leanet.report.figures.drawing import Drawing, settings_of
from leanet.report.figures.style import style_of, to_bytes
from leanet.report.results import results
from leanet.report.selection import Selection
from leanet.storage.files import write_bytes

_NEEDED = {  # for each figure, the runs that it needs
    3: "a run with maps (caan=mobilenet, say) of one of its datasets, or datasets=[…] names another one",
    4: "runs with positive_rate=1,0.5,… of one network",
    5: "a run with attention, such as caan=mobilenet point=4",
    6: "a run with maps (caan=mobilenet, say) of one of its datasets, or datasets=[…] names another one",
    "points": "runs with attention at two points or more, such as caan=mobilenet point=1,2,3,4,5",
    "lifts": "a run with attention, such as caan=mobilenet, and its plain ADN's on the same fold",
    "curves": "a run that keeps its losses; those done before this was so have none",
    "mistakes": "a run",
}


def write_figures(selection: Selection, figure: int | str) -> None:
    """Draw a figure, write it to paths.runs/report as PDF and PNG, and print the files.

    Args:
        selection: the finished folds.
        figure: as in the setting `figure` of conf/report.yaml.

    Raises:
        LeanetError: no run that it needs is finished, or files of a run are gone.
    """
    names: Counter[str] = Counter()
    for name, drawn, _ in figures_of(selection, figure):
        names[name] += 1
        name += f"-{names[name]}" if names[name] > 1 else ""  # names of two datasets may give the same file name
        for ending in ("pdf", "png"):
            write_bytes(selection.home / "report" / f"{name}.{ending}", to_bytes(drawn, ending))
        print(f"written: {selection.home / 'report' / name}.{{pdf,png}}")
    if not names:
        raise LeanetError(f"figure={figure}: nothing to draw in {selection.home}; it needs {_NEEDED[figure]}")


def figures_of(selection: Selection, figure: int | str) -> Iterator[Drawing]:
    """Draw a figure; it can consist of several, such as one for each cell.

    Args:
        selection: the finished folds.
        figure: as in the setting `figure` of conf/report.yaml.
    """
    kinds = {4: _by_share, "points": _by_point, "lifts": _lifts, "curves": _curves}
    if figure in kinds:
        return kinds[figure](selection)
    from leanet.report.figures import pictured  # here, since charts need no networks

    if figure == 5:
        return pictured.features(selection)
    return pictured.mistakes(selection) if figure == "mistakes" else pictured.examples(selection, int(figure))


def _by_share(selection: Selection) -> Iterator[Drawing]:
    folds = selection.folds
    if selection.models:  # add the other shares of positives of the selected models
        every, wanted = results(selection.home), set(zip(folds["dataset"], folds["unthinned"], strict=True))
        folds = every[[pair in wanted for pair in zip(every["dataset"], every["unthinned"], strict=True)]]
    for name, members in tables_named("figure4", folds):
        panels = series.scores_by_share(members)
        if panels:
            shown = [panel.dataset for panel in panels]
            yield Drawing(name, charts.draw_by_share(panels), settings_of(members, shown))


def _by_point(selection: Selection) -> Iterator[Drawing]:
    for name, folds in tables_named("points", selection.folds):
        for rate, members in sorted(folds.groupby("positive_rate"), key=lambda pair: -pair[0]):
            panels = series.scores_by_point(members)
            if panels:
                file, note = (name, "") if rate == 1 else (f"{name}-pos{rate:g}", f"positive_rate {rate:g}")
                shown = [panel.dataset for panel in panels]
                yield Drawing(file, charts.draw_by_point(panels, note), settings_of(members, shown))


def _lifts(selection: Selection) -> Iterator[Drawing]:
    of_another = "" if selection.versus.figure == "f1" else f"-{selection.versus.figure}"
    for name, folds in tables_named(f"lifts{of_another}", selection.folds):
        panels = series.lifts_by_dataset(folds, selection.versus)
        if panels:
            yield Drawing(name, charts.draw_lifts(panels, selection.versus), settings_of(folds, panels))


def _curves(selection: Selection) -> Iterator[Drawing]:
    for name, folds in cells_named("curves", selection.folds):
        losses, cell = series.losses_of(selection.home, folds), next(folds.itertuples())
        if not cell.epochs:
            print(f"{cell.dataset}, {cell.model}: no losses, since it is not trained in epochs")
        elif losses.without:
            numbers = f"fold{'s' if len(losses.without) > 1 else ''} {', '.join(map(str, losses.without))}"
            print(f"{cell.dataset}, {cell.model}: no losses were kept of {numbers}, done by an older version")
        if losses.curves:
            color = style_of(cell.adn, cell.variant).color
            drawn = charts.draw_losses(f"{cell.dataset} · {cell.model}", color, losses)
            yield Drawing(name, drawn, settings_of(folds))
