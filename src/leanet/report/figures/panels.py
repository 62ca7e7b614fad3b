"""Draw pages of pictures: examples of maps (Figures 3 and 6), features at the points (Figure 5), worst mistakes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.pictures.picture_page import (
    FAINT,
    Page,
    Scale,
    attention_scale,
    difference_scale,
    evidence_scale,
    printable,
)
from leanet.pictures.sheet import Panel

_DPI = 300
_SIDE, _SMALL, _GAP, _MARGIN = 1.1, 0.8, 0.06, 0.15  # inches; small pictures are for figures of many datasets
_LABELS, _BAR = 0.8, 0.55  # widths of row labels and of vertical colour bars, in inches
_CLASSES = {POSITIVE: "positive", NEGATIVE: "negative"}

Pick = Callable[[Panel], NDArray[Any] | None]
_PICTURES: Mapping[str, Pick] = {
    "original": lambda panel: panel.image,
    "recoloured": lambda panel: panel.recoloured,
    "anomaly map": lambda panel: panel.difference,
    "attention": lambda panel: panel.attention,
    "evidence": lambda panel: panel.evidence,
}
_SCALES: Mapping[str, Callable[[Iterable[NDArray[np.floating]]], Scale]] = {
    "attention": attention_scale,
    "evidence": evidence_scale,
}


@dataclass(frozen=True)
class Examples:
    """Images of one dataset for Figures 3 and 6.

    Args:
        dataset: its name.
        panels: the images, positives first.
        words: what distinguishes the dataset from others of the same name; usually empty.
    """

    dataset: str
    panels: Sequence[Panel]
    words: str = ""


def draw_examples(blocks: Sequence[Examples], width: float = 8.6) -> Figure:
    """Draw the paper's Figure 3 or 6: original image, recoloured image and anomaly map, of positives and negatives.

    Args:
        blocks: the datasets, each with its own colour scale.
        width: in inches; datasets that do not fit side by side continue in the next line.
    """
    names = [name for name in ("original", "recoloured", "anomaly map") if any(_has(block, name) for block in blocks)]
    lines = _in_lines(blocks, width - _MARGIN - _LABELS)
    height = 0.5 + len(names) * (_SMALL + _GAP) + 0.5
    widest = max(sum(_width(block) for block in line) for line in lines)
    page = Page(_MARGIN + _LABELS + widest - _MARGIN - _GAP, len(lines) * height - _MARGIN, _DPI)
    for number, line in enumerate(lines):
        _label_rows(page, names, number * height + 0.5, _SMALL)
        left = _MARGIN + _LABELS
        for block in line:
            _draw_block(page, block, names, left, number * height)
            left += _width(block)
    return page.figure


def _width(block: Examples) -> float:
    return len(block.panels) * (_SMALL + _GAP) + 2 * _MARGIN


def _in_lines(blocks: Sequence[Examples], width: float) -> list[list[Examples]]:
    lines: list[list[Examples]] = [[]]
    for block in blocks:
        if lines[-1] and sum(map(_width, [*lines[-1], block])) > width:
            lines.append([])
        lines[-1].append(block)
    return lines


def _map_scale(panels: Sequence[Panel]) -> Scale:
    """The colour scale of anomaly maps, in the unit of the first."""
    return difference_scale([panel.difference for panel in panels if panel.difference is not None], panels[0].unit)


def _has(block: Examples, name: str) -> bool:
    return any(_PICTURES[name](panel) is not None for panel in block.panels)


def _label_rows(page: Page, names: Sequence[str], top: float, side: float) -> None:
    for number, name in enumerate(names):
        at = top + number * (side + _GAP) + side / 2
        page.text(_MARGIN + _LABELS - _GAP, at, name, size=8, ha="right", va="center")


def _draw_block(page: Page, block: Examples, names: Sequence[str], left: float, top: float) -> None:
    width = _width(block) - 2 * _MARGIN - _GAP
    title, words, middle = printable(block.dataset, int(width * 11)), block.words, left + width / 2
    page.text(middle, top + (0.14 if words else 0.22), title, size=9, weight="bold", ha="center", va="baseline")
    if words:
        page.text(middle, top + 0.27, printable(words, int(width * 16)), size=6.5, ha="center", va="baseline")
    scale = _map_scale(block.panels)
    for column, panel in enumerate(block.panels):
        at = left + column * (_SMALL + _GAP)
        page.text(at + _SMALL / 2, top + 0.42, _CLASSES[panel.label], size=8, ha="center", va="baseline")
        for row, name in enumerate(names):
            picture = _PICTURES[name](panel)
            if picture is not None:
                down = top + 0.5 + row * (_SMALL + _GAP)
                page.picture(picture, at, down, _SMALL, _SMALL, scale if name == "anomaly map" else None)
    if _has(block, "anomaly map"):
        down = top + 0.5 + len(names) * (_SMALL + _GAP)
        page.colorbar(scale, left, down, width - 0.45, 0.07, size=6.5)
        page.text(left + width, down + 0.07, scale.unit, size=7, color=FAINT, ha="right", va="baseline")


@dataclass(frozen=True)
class PointFeatures:
    """The features of B images before and after attention at one point.

    Args:
        point: 1…5.
        before: (B, H, W), the mean of f over channels.
        attention: (B, h, w), the A of 1 + A, in 0…1 as in the paper.
        after: (B, H, W), the mean of f·(1 + A) over channels.
    """

    point: int
    before: NDArray[np.floating]
    attention: NDArray[np.floating]
    after: NDArray[np.floating]


_FEATURE_ROWS = ("before: f", "attention: A", "after: f · (1 + A)")


def draw_features(title: str, panels: Sequence[Panel], points: Sequence[PointFeatures]) -> Figure:
    """Draw the paper's Figure 5: features before and after attention at the points, averaged over channels.

    Args:
        title: of the figure.
        panels: the B images, with their maps if they have some.
        points: the points to show, each from its own network.
    """
    left = _MARGIN + _SIDE + 0.2 + _LABELS + 0.25
    height = len(_FEATURE_ROWS) * (_SIDE + _GAP) + 0.15
    page = Page(left + len(points) * (_SIDE + _GAP) + _BAR + 0.1, 0.75 + len(panels) * height + 0.55, _DPI)
    page.text(_MARGIN, 0.25, printable(title, int(page.width * 9)), size=9, weight="bold", va="baseline")
    attention = attention_scale([point.attention for point in points])
    map_scale = _map_scale(panels)
    for row, panel in enumerate(panels):
        top = 0.75 + row * height
        _draw_seen(page, panel, map_scale, top)
        for number, name in enumerate(_FEATURE_ROWS):
            down = top + number * (_SIDE + _GAP)
            page.text(left - 0.08, down + _SIDE / 2, name, size=8, ha="right", va="center")
        page.colorbar(attention, left + len(points) * (_SIDE + _GAP), top + _SIDE + _GAP, 0.07, _SIDE, size=6.5)
    for column, point in enumerate(points):
        at = left + column * (_SIDE + _GAP)
        page.text(at + _SIDE / 2, 0.65, f"point {point.point}", size=8, ha="center", va="baseline")
        _draw_point(page, point, attention, at, height)
    down = 0.75 + len(panels) * height
    page.text(left - 0.08, down + 0.07, "mean over channels", size=7, color=FAINT, ha="right", va="baseline")
    return page.figure


def _draw_seen(page: Page, panel: Panel, scale: Scale, top: float) -> None:
    """Draw an image and its map, left of its features."""
    page.picture(panel.image, _MARGIN, top, _SIDE, _SIDE, None)
    if panel.difference is not None:
        down = top + _SIDE + 0.06
        page.picture(panel.difference, _MARGIN, down, _SIDE, _SIDE, scale)
        page.colorbar(scale, _MARGIN, down + _SIDE + 0.04, _SIDE - 0.4, 0.07, size=6.5)
        page.text(_MARGIN + _SIDE, down + _SIDE + 0.11, scale.unit, size=7, color=FAINT, ha="right", va="baseline")
    page.text(_MARGIN, top + 2 * _SIDE + 0.55, _CLASSES[panel.label], size=8, va="baseline")
    _name(page, panel, _MARGIN, top + 2 * _SIDE + 0.67)


def _name(page: Page, panel: Panel, left: float, top: float, length: int = 23) -> None:
    """Write the file name below a picture, in up to three lines of its width."""
    name = printable(panel.name, 3 * length)
    for line in range(3):
        text = name[line * length : (line + 1) * length]
        page.text(left, top + line * 0.09, text, size=5.5, color=FAINT, va="baseline")


def _draw_point(page: Page, point: PointFeatures, attention: Scale, left: float, height: float) -> None:
    """Draw the column of a point, with the same scale before and after, so that the effect of attention is visible."""
    values = np.stack([point.before, point.after])
    scale = Scale("cividis", Normalize(float(values.min()), max(float(values.max()), float(values.min()) + 1e-6)))
    for row in range(len(point.before)):
        pictures = ((point.before[row], scale), (point.attention[row], attention), (point.after[row], scale))
        for number, (picture, colors) in enumerate(pictures):
            down = 0.75 + row * height + number * (_SIDE + _GAP)
            page.picture(picture, left, down, _SIDE, _SIDE, colors)
    page.colorbar(scale, left, 0.75 + len(point.before) * height, _SIDE - 0.1, 0.07, size=6.5, ticks=3)


@dataclass(frozen=True)
class Mistakes:
    """The worst mistakes of a cell for one class, over all folds.

    Args:
        label: the class, 0 normal or 1 anomalous.
        wrong: the number of wrong predictions.
        images: the number of images.
        panels: the worst first; if no prediction is wrong, the least certain right ones.
        folds: for each panel, the fold in which it was a test image.
    """

    label: int
    wrong: int
    images: int
    panels: Sequence[Panel]
    folds: Sequence[str]

    @property
    def heading(self) -> str:
        """The heading of the class in the figure."""
        called = {POSITIVE: "anomalous, called normal", NEGATIVE: "normal, called anomalous"}[self.label]
        rest = "" if self.wrong else "; these were the least sure"
        return f"{called}: {self.wrong or 'none'} of {self.images}{rest}"


def draw_mistakes(title: str, mistakes: Sequence[Mistakes]) -> Figure:
    """Draw the worst mistakes of a cell: images, maps, attention, evidence, P(anomalous), fold and file name.

    All images share the colour scales. The paper has no such figure.

    Args:
        title: of the figure.
        mistakes: of each class.
    """
    everything = [panel for part in mistakes for panel in part.panels]
    names = [name for name, pick in _PICTURES.items() if any(pick(panel) is not None for panel in everything)]
    scales = {
        name: scale(values for panel in everything if (values := _PICTURES[name](panel)) is not None)
        for name, scale in _SCALES.items()
        if name in names
    }
    if "anomaly map" in names:
        scales["anomaly map"] = _map_scale(everything)
    most = max(len(part.panels) for part in mistakes)
    height = 0.3 + len(names) * (_SIDE + _GAP) + 0.65
    page = Page(_MARGIN + _LABELS + max(most, 4) * (_SIDE + _GAP) + _BAR, 0.4 + len(mistakes) * height, _DPI)
    page.text(_MARGIN, 0.25, printable(title, int(page.width * 9)), size=9, weight="bold", va="baseline")
    for number, part in enumerate(mistakes):
        top = 0.4 + number * height
        page.text(_MARGIN, top + 0.2, part.heading, size=8.5, weight="bold", va="baseline")
        _label_rows(page, names, top + 0.3, _SIDE)
        for column, (panel, fold) in enumerate(zip(part.panels, part.folds, strict=True)):
            _draw_mistake(page, panel, fold, names, scales, _MARGIN + _LABELS + column * (_SIDE + _GAP), top + 0.3)
        for row, name in enumerate(names):
            if name in scales and part.panels:
                left, down = _MARGIN + _LABELS + len(part.panels) * (_SIDE + _GAP), top + 0.3 + row * (_SIDE + _GAP)
                page.colorbar(scales[name], left, down + 0.12, 0.07, _SIDE - 0.15, size=6.5)
                page.text(left, down + 0.07, scales[name].unit, size=6.5, color=FAINT, va="baseline")
    return page.figure


def _draw_mistake(
    page: Page, panel: Panel, fold: str, names: Sequence[str], scales: Mapping[str, Scale], left: float, top: float
) -> None:
    for row, name in enumerate(names):
        picture = _PICTURES[name](panel)
        if picture is not None:
            page.picture(picture, left, top + row * (_SIDE + _GAP), _SIDE, _SIDE, scales.get(name))
    down = top + len(names) * (_SIDE + _GAP)
    page.text(left, down + 0.12, f"P = {panel.probability:.2f}, fold {fold}", size=7.5, va="baseline")
    _name(page, panel, left, down + 0.24)
