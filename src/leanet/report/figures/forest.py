"""Lifts with their intervals, a row for each model: what a comparison says at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leanet.pictures.picture_page import FAINT, INK, printable
from leanet.report.cell import FinishedCell
from leanet.report.figures.output import new_figure
from leanet.report.figures.style import in_our_style, style_of
from leanet.report.lifts import Lift, Versus, lifts

_ROW, _NAME = 0.2, 52  # inches of a row, characters of a name


@dataclass(frozen=True)
class Forest:
    """What one panel shows: the lifts of the models that are compared, by their names."""

    dataset: str
    lifts: dict[str, Lift]


def forests_of(cells: Sequence[FinishedCell], versus: Versus) -> list[Forest]:
    """A panel for each dataset of the cells of one table that have a lift; in the order of the lifts' means."""
    found = lifts(cells, versus)
    by_dataset: dict[str, dict[str, Lift]] = {}
    for cell in sorted((cell for cell in cells if cell.id in found), key=lambda cell: -found[cell.id].comparison.mean):
        names = by_dataset.setdefault(cell.dataset, {})
        names[cell.model if cell.model not in names else f"{cell.model} ({cell.id})"] = found[cell.id]
    return [Forest(dataset, by_dataset[dataset]) for dataset in sorted(by_dataset)]


def draw_forests(forests: Sequence[Forest], versus: Versus) -> Figure:
    """The mean of each lift with the 95 % interval of the corrected test, thick where p after Holm is below 0.05."""
    rows = [len(forest.lifts) for forest in forests]
    with in_our_style():
        figure = new_figure(7.0, sum(rows) * _ROW + 0.5 * len(rows) + 0.45)
        panels = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=[n + 1.5 for n in rows])[:, 0]
        for axes, forest in zip(panels, forests, strict=True):
            _draw(axes, forest)
        panels[-1].set_xlabel(f"{versus.figure_in_words} less {versus.other_in_words}’s, 95 % interval")
    return figure


def _draw(axes: Axes, forest: Forest) -> None:
    axes.set_title(printable(forest.dataset, 40), loc="left")
    axes.axvline(0, color=FAINT, linewidth=1)
    for row, (model, lift) in enumerate(forest.lifts.items()):
        found, style = lift.comparison, style_of(model)
        if found.low is not None and found.high is not None:
            is_clear = lift.p is not None and lift.p < 0.05
            axes.plot([found.low, found.high], [row, row], color=style.color, linewidth=2.4 if is_clear else 1.1)
        axes.plot([found.mean], [row], **style.of_line)
    axes.set_yticks(range(len(forest.lifts)), [printable(model, _NAME) for model in forest.lifts])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(forest.lifts) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
