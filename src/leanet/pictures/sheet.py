"""The sheet of a finished run: some test images with their maps and predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leanet.data.images import NEGATIVE, POSITIVE, THRESHOLD
from leanet.pictures.picture_page import (
    FAINT,
    INK,
    Page,
    Scale,
    attention_scale,
    difference_scale,
    evidence_scale,
    printable,
)
from leanet.storage.files import write_atomically

_GROUPS = ((POSITIVE, "anomalous"), (NEGATIVE, "normal"))
_TRACK = "#e9e9e9"
_RIGHT, _WRONG = "#0072b2", "#d55e00"  # of Okabe & Ito's palette, which colour-blind people can distinguish
_DPI = 100
# Inches; the side of an image is 192 pixels, three times 64 and three quarters of 256.
_SIDE, _GAP, _MARGIN, _VERDICT, _TOP, _HEAD, _GROUP = 1.92, 0.14, 0.36, 4.9, 1.2, 0.78, 0.44


@dataclass(frozen=True)
class Panel:
    """One test image with its maps and prediction.

    Args:
        name: of the image.
        label: 0 normal or 1 anomalous.
        probability: P(anomalous), 0…1.
        image: (3, S, S) uint8, sRGB.
        recoloured: the same, recoloured by the colorizer.
        difference: (S, S), the anomaly map, as ΔE00 between the two.
        attention: (h, w), the A of 1 + A, in 0…1 as in the paper.
        evidence: (h, w), for a frozen network, how much each position adds to the logit of anomalous.
        unit: of `difference`.
        mask: (S, S) bool, where the image is anomalous.
    """

    name: str
    label: int
    probability: float
    image: NDArray[np.uint8]
    recoloured: NDArray[np.uint8] | None = None
    difference: NDArray[np.floating] | None = None
    attention: NDArray[np.floating] | None = None
    evidence: NDArray[np.floating] | None = None
    unit: str = "ΔE00"
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Column:
    """A column of the sheet: its title, the function that returns a panel's picture, and the scale of maps."""

    title: str
    picture: Callable[[Panel], NDArray[Any] | None]
    scale: Scale | None = None


def choose_rows(labels: ArrayLike, probabilities: ArrayLike, rows: int) -> list[int]:
    """Choose test images to show: half of each class, evenly spaced from the worst to the best prediction.

    If one class has too few images, the other has more. Equal probabilities keep their order.

    Args:
        labels: (N,), 0 normal and 1 anomalous.
        probabilities: (N,), P(anomalous).
        rows: the largest number of images.

    Returns:
        indices: positives first; of each class, the worst prediction first and the best last.
    """
    truth, chance = np.asarray(labels), np.asarray(probabilities)
    positives, negatives = np.flatnonzero(truth == POSITIVE), np.flatnonzero(truth == NEGATIVE)
    positives = positives[np.argsort(chance[positives], kind="stable")]
    negatives = negatives[np.argsort(-chance[negatives], kind="stable")]
    most_negatives = min(max(rows, 0) // 2, len(negatives))
    most_positives = min(max(rows, 0) - most_negatives, len(positives))
    most_negatives = min(max(rows, 0) - most_positives, len(negatives))
    return _spread(positives, most_positives) + _spread(negatives, most_negatives)


def _spread(ranking: NDArray[np.intp], count: int) -> list[int]:
    """`count` evenly spaced entries of `ranking`, with the first and the last."""
    return [int(ranking[place]) for place in np.rint(np.linspace(0, len(ranking) - 1, count)).astype(int)]


def draw_sheet(panels: Sequence[Panel], title: str, file: Path, labels: ArrayLike) -> None:
    """Write a sheet to a PNG file: a row for each panel, anomalous images first.

    Columns without any picture are left out; all rows share the colour scales. It can be called from any thread, since
    it needs neither pyplot nor a display.

    Args:
        panels: the test images.
        title: of the sheet.
        file: of the sheet.
        labels: (N,) of all test images, 0 normal and 1 anomalous. The sheet says how many of them it shows.

    Raises:
        ValueError: no panels.
    """
    if not panels:
        raise ValueError("a sheet needs at least one panel")
    columns, truth = _columns(panels), np.asarray(labels)
    groups = [(heading, [p for p in panels if p.label == label]) for label, heading in _GROUPS]
    groups = [(heading, members) for heading, members in groups if members]
    width = 2 * _MARGIN + len(columns) * (_SIDE + _GAP) + _VERDICT
    height = _TOP + _HEAD + len(groups) * _GROUP + len(panels) * (_SIDE + _GAP) + _MARGIN
    page = Page(width, height, _DPI)
    _draw_head(page, columns, title, f"{len(panels)} of {len(truth)}")
    top = _TOP + _HEAD
    for heading, members in groups:
        shown = f"{heading} ({len(members)} of {(truth == members[0].label).sum()})"
        page.text(_MARGIN, top + 0.3, shown, size=13, weight="bold", va="baseline")
        top += _GROUP
        for panel in members:
            _draw_row(page, columns, panel, top)
            top += _SIDE + _GAP
    write_atomically(file, lambda out: page.figure.savefig(out, format="png", pil_kwargs={"compress_level": 6}))


def _columns(panels: Sequence[Panel]) -> list[_Column]:
    differences = [panel.difference for panel in panels if panel.difference is not None]
    attentions = [panel.attention for panel in panels if panel.attention is not None]
    columns = [
        _Column("original", lambda panel: panel.image),
        _Column("mask", _mask_picture),
        _Column("recoloured", lambda panel: panel.recoloured),
        _Column("anomaly map", lambda panel: panel.difference, difference_scale(differences, panels[0].unit)),
        _Column("attention", lambda panel: panel.attention, attention_scale(attentions)),
    ]
    evidence = [panel.evidence for panel in panels if panel.evidence is not None]
    if evidence:
        columns.append(_Column("evidence", lambda panel: panel.evidence, evidence_scale(evidence)))
    return [column for column in columns if any(column.picture(panel) is not None for panel in panels)]


def _mask_picture(panel: Panel) -> NDArray[np.uint8] | None:
    """The mask (3, S, S), white where the image is anomalous."""
    return None if panel.mask is None else np.repeat(panel.mask[None] * np.uint8(255), 3, axis=0)


def _left(column: int) -> float:
    return _MARGIN + column * (_SIDE + _GAP)


def _draw_head(page: Page, columns: Sequence[_Column], title: str, shown: str) -> None:
    page.text(_MARGIN, 0.5, printable(title, int(page.width * 7)), size=16, weight="bold", va="baseline")
    rule = f"✓ right   ✗ wrong   An image is called anomalous above probability {THRESHOLD}."
    page.text(_MARGIN, 0.78, rule, size=10, color=FAINT, va="baseline")
    kept = f"{shown} test images: of each class from the worst to the best prediction, evenly spaced."
    page.text(_MARGIN, 0.98, kept, size=10, color=FAINT, va="baseline")
    for number, column in enumerate(columns):
        page.text(_left(number), _TOP + 0.2, column.title, size=12, va="baseline")
        if column.scale is None:
            continue
        page.colorbar(column.scale, _left(number), _TOP + 0.32, _SIDE, 0.11)
        page.text(_left(number) + _SIDE, _TOP + 0.2, column.scale.unit, color=FAINT, ha="right", va="baseline")
    page.text(_left(len(columns)) + 0.2, _TOP + 0.2, "probability of being anomalous", size=12, va="baseline")


def _draw_row(page: Page, columns: Sequence[_Column], panel: Panel, top: float) -> None:
    for number, column in enumerate(columns):
        picture = column.picture(panel)
        if picture is not None:
            page.picture(picture, _left(number), top, _SIDE, _SIDE, column.scale)
    _draw_verdict(page, panel, _left(len(columns)) + 0.2, top)


def _draw_verdict(page: Page, panel: Panel, left: float, top: float) -> None:
    """Draw the prediction; right and wrong differ by sign, words, hatching and colour."""
    right = (panel.probability > THRESHOLD) == (panel.label == POSITIVE)
    color, sign = (_RIGHT, "✓") if right else (_WRONG, "✗")
    called = "anomalous" if panel.probability > THRESHOLD else "normal"
    page.text(left, top + 0.46, printable(panel.name, 44), size=11, va="baseline")
    page.text(left, top + 1.55, sign, size=20, color=color, weight="bold", va="baseline")
    verdict = f"called {called}, {'rightly' if right else 'but is ' + dict(_GROUPS)[panel.label]}"
    page.text(left + 0.32, top + 1.53, verdict, size=11.5, color=color, weight="bold", va="baseline")
    bar_width = _VERDICT - 1.1
    bar = page.axes(left, top + 0.78, bar_width, 0.34)
    bar.set(xlim=(0, 1), ylim=(0, 1))
    bar.set_axis_off()
    bar.barh(0.5, 1, 1, color=_TRACK)
    hatch = None if right else "////"
    bar.barh(0.5, panel.probability, 1, facecolor=color, edgecolor="white", hatch=hatch, linewidth=0)
    bar.axvline(THRESHOLD, -0.2, 1.2, color=INK, linewidth=1, linestyle=(0, (3, 2)), clip_on=False)
    page.text(left + bar_width + 0.1, top + 0.95, f"{panel.probability:.2f}", size=14, weight="bold", va="center")
