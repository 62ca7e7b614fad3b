"""Vector charts of finished runs: F1 over the share of positives or over the points, losses, and lifts."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from leanet.pictures.picture_page import FAINT, INK, printable
from leanet.report.figures.series import Line, Losses, Numbers, Scores
from leanet.report.figures.style import Style, in_our_style, new_figure
from leanet.report.lifts import FEWEST, Lift, Versus
from leanet.report.statistics import mean_sd

_ACROSS = 3  # panels side by side
_WIDTH, _HEIGHT = 2.9, 2.5  # of a panel, in inches
_APART = 2.0  # distance between error bars of two methods in points (1/72 inch), so that none hides another
_LEGEND_ROW, _LEGEND_CHARACTERS = 0.2, 42
_ROW, _NAME = 0.2, 52  # of lifts: inches of a row, characters of a name
_LOSSES = {"adn_loss": "ADN", "caan_loss": "CAAN", "colorizer": "colorizer"}
_FOLD: Mapping[str, Any] = {"marker": ".", "markersize": 4, "linestyle": "none", "alpha": 0.7}  # where they are too few
_FOLDS = "one fold, where there are fewer than three"


def draw_by_share(panels: Sequence[Scores]) -> Figure:
    """Draw the paper's Figure 4: F1 over the share of positives, mean ± SD over folds, a panel for each dataset."""

    def finish(axes: Axes) -> None:
        axes.set_xlabel("positives among all training images")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlim(0, 1.08 * axes.dataLim.x1)

    chosen = any(line.attends for panel in panels for line in panel.lines)
    return _draw(panels, finish, "with attention: at the best of the points, by the test folds" if chosen else "")


def draw_by_point(panels: Sequence[Scores], note: str = "") -> Figure:
    """Draw F1 over the five points, mean ± SD over folds, with a panel for each dataset.

    The plain ADN is a line with a band of ± SD, and the floor a dotted line. The paper has no such figure: its tables
    show only the best point.

    Args:
        panels: the datasets.
        note: the title of the legend.
    """

    def finish(axes: Axes) -> None:
        axes.set_xlabel("attention point")
        axes.set_xticks(range(1, 6))
        axes.set_xlim(0.6, 5.4)

    return _draw(panels, finish, note)


def draw_losses(title: str, color: str, losses: Losses) -> Figure:
    """Draw a cell's losses by epoch: thin lines for folds, and a thick line for their mean.

    Args:
        title: of the figure.
        color: of the lines.
        losses: of the cell; the mean ends with the shortest fold.
    """
    shown = {name: losses.curves[name] for name in _LOSSES if name in losses.curves}
    with in_our_style():
        figure = new_figure(max(4.0, len(shown) * _WIDTH), _HEIGHT + 0.6)
        figure.suptitle(printable(title, 110), fontsize=9, fontweight="bold")
        for axes, (name, curves) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
            _draw_curves(axes, color if name != "colorizer" else FAINT, curves)
            axes.set(title=_LOSSES[name], xlabel="epoch", ylabel="loss")
            if name == "colorizer":
                _enlarge_the_end(axes, curves)
            else:
                axes.set_ylim(0, 1.05 * max(map(max, curves)))
        handles = [Line2D([], [], color=INK, linewidth=width) for width in (0.7, 2)]
        figure.legend(handles, ["one fold", "mean over folds"], loc="outside lower center", ncols=2)
    return figure


def draw_lifts(panels: Mapping[str, Sequence[tuple[str, Style, Lift]]], versus: Versus) -> Figure:
    """Draw lifts with their 95 % intervals; an interval is thick if p after Holm's correction is below 0.05.

    Lifts over fewer than three folds have no interval: the differences in the folds are small points.

    Args:
        panels: for each dataset, models with styles and lifts, in the order of rows.
        versus: what lifts compare.
    """
    rows = [len(lifts) for lifts in panels.values()]
    with in_our_style():
        figure = new_figure(7.0, sum(rows) * _ROW + 0.5 * len(rows) + 0.6)
        places = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=[n + 1.5 for n in rows])[:, 0]
        for axes, (dataset, lifts) in zip(places, panels.items(), strict=True):
            axes.set_title(printable(dataset, 40), loc="left")
            _draw_lifts(axes, lifts)
        every = [lift for lifts in panels.values() for _, _, lift in lifts]
        small = "" if all(lift.interval for lift in every) else f"\nsmall points: {_FOLDS}"
        places[-1].set_xlabel(f"{versus.figure_in_words} less {versus.other_in_words}’s, 95 % interval{small}")
    return figure


def _draw_lifts(axes: Axes, lifts: Sequence[tuple[str, Style, Lift]]) -> None:
    axes.axvline(0, color=FAINT, linewidth=1)
    for row, (_, style, lift) in enumerate(lifts):
        found = lift.comparison
        if lift.interval:
            is_clear = lift.p is not None and lift.p < 0.05
            axes.plot(lift.interval, [row, row], color=style.color, linewidth=2.4 if is_clear else 1.1)
        elif found.n > 1:
            axes.plot(found.differences, [row] * found.n, color=style.color, **_FOLD)
        axes.plot([found.mean], [row], **style.of_line)
    axes.set_yticks(range(len(lifts)), [printable(model, _NAME) for model, _, _ in lifts])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(lifts) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _draw_curves(axes: Axes, color: str, curves: Sequence[Numbers]) -> None:
    for curve in curves:
        axes.plot(range(1, len(curve) + 1), curve, color=color, linewidth=0.7, alpha=0.6)
    means = [mean(values) for values in zip(*curves, strict=False)]
    axes.plot(range(1, len(means) + 1), means, color=color, linewidth=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _enlarge_the_end(axes: Axes, curves: Sequence[Numbers]) -> None:
    """Leave the first tenth of the epochs out of the y-range.

    The loss of a colorizer, a cross-entropy with soft targets, does not go to 0. Most of its fall is in the first
    epochs, and a range from 0 would show a flat line.
    """
    first = max(map(len, curves)) // 10
    rest = [value for curve in curves for value in curve[first:]]
    margin = 0.05 * max(max(rest) - min(rest), 1e-6)
    axes.set_ylim(min(rest) - margin, max(rest) + margin)
    axes.ticklabel_format(axis="y", useOffset=False)
    most = max(map(max, curves))
    if most > max(rest) + margin:
        note = f"begins at {most:.3g}, beyond the top"
        axes.text(0.97, 0.95, note, transform=axes.transAxes, ha="right", va="top", fontsize=7, color=FAINT)


def _draw(panels: Sequence[Scores], finish: Callable[[Axes], None], note: str = "") -> Figure:
    """Draw a panel of F1 for each dataset, and one legend with `note` as its title."""
    across = min(_ACROSS, len(panels))
    down = ceil(len(panels) / across)
    with in_our_style():
        legend = _legend(panels)
        columns = max(1, int(across * _WIDTH / 2.6))
        rows = ceil(len(legend) / columns) + bool(note)
        figure = new_figure(max(3.6, across * _WIDTH), down * _HEIGHT + rows * _LEGEND_ROW + 0.2)
        places = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
        for axes, panel in zip(places, panels, strict=False):
            _draw_panel(axes, panel)
            finish(axes)
        for axes in places[len(panels) :]:
            axes.remove()
        for axes in places[: len(panels) : across]:
            axes.set_ylabel("F1")
        low, high = places[0].get_ylim()  # shared by all panels
        places[0].set_yticks([tick for tick in places[0].get_yticks() if max(low, 0) <= tick <= min(high, 1)])
        places[0].set_ylim(low, high)  # F1 is in 0…1, but mean ± SD may leave it, and is not cut off
        drawn = figure.legend(
            [*legend.values()], [*legend], loc="outside lower center", ncols=columns, handlelength=3.2
        )
        drawn.set_title(note, FontProperties(size=7.5))
    return figure


def _draw_panel(axes: Axes, panel: Scores) -> None:
    axes.set_title(printable(panel.dataset, 40))
    if panel.floor is not None:
        axes.axhline(panel.floor, color=FAINT, linestyle=":", linewidth=1.2)
    for level in panel.plain:
        spread, style = mean_sd(level.folds), level.style
        axes.axhline(spread.mean, color=style.color, linestyle=style.line)
        if spread.sd is not None and len(level.folds) >= FEWEST:
            axes.axhspan(spread.mean - spread.sd, spread.mean + spread.sd, **_band(style))
    for place, line in enumerate(panel.lines):
        _draw_line(axes, line, place - (len(panel.lines) - 1) / 2)


def _draw_line(axes: Axes, line: Line, aside: float) -> None:
    """Draw a line, moved sideways by `aside` steps on the page, without a change of its x values.

    Where it has fewer than three folds, these are small points instead of a bar.
    """
    means = [mean(folds) for folds in line.folds]
    sds = [(mean_sd(folds).sd or 0.0) if len(folds) >= FEWEST else 0.0 for folds in line.folds]
    few = [(x, f1) for x, folds in zip(line.x, line.folds, strict=True) if 1 < len(folds) < FEWEST for f1 in folds]
    ends = [(x, m + side * sd) for x, m, sd in zip(line.x, means, sds, strict=True) for side in (-1, 1)]
    axes.update_datalim([*ends, *few])
    axes.autoscale_view()  # by hand, since matplotlib ignores artists with another transform
    figure = axes.get_figure(root=True)
    assert figure is not None
    moved = axes.transData + ScaledTranslation(aside * _APART / 72, 0, figure.dpi_scale_trans)
    axes.errorbar(
        line.x,
        means,
        yerr=sds,
        capsize=2,
        elinewidth=0.8,
        capthick=0.8,
        transform=moved,
        **line.style.of_line,
    )
    axes.plot([x for x, _ in few], [f1 for _, f1 in few], color=line.style.color, transform=moved, **_FOLD)


def _band(style: Style) -> dict[str, Any]:
    return {"facecolor": "none", "edgecolor": style.color, "alpha": 0.35, "hatch": style.hatch, "linewidth": 0.6}


def _legend(panels: Sequence[Scores]) -> Mapping[str, Any]:
    """The artists of the legend by their labels."""
    entries: dict[str, Any] = {}  # an artist, or several that are drawn over each other
    for panel in panels:
        for level in panel.plain:
            drawn = Line2D([], [], color=level.style.color, linestyle=level.style.line)
            if len(level.folds) >= FEWEST:
                entries[_named(level.method, "plain ± SD")] = Patch(**_band(level.style)), drawn
            else:
                entries[_named(level.method, "plain")] = drawn
        for line in panel.lines:
            entries[_named(line.method)] = Line2D([], [], **line.style.of_line)
    if any(panel.floor is not None for panel in panels):
        entries["always “anomalous” (floor)"] = Line2D([], [], color=FAINT, linestyle=":")
    if any(1 < len(folds) < FEWEST for panel in panels for line in panel.lines for folds in line.folds):
        entries[_FOLDS] = Line2D([], [], color=FAINT, **_FOLD)
    return entries


def _named(method: str, more: str = "") -> str:
    return printable(f"{method}, {more}" if more else method, _LEGEND_CHARACTERS)
