"""The style of methods, the same in all figures, clear to colour-blind people and in grey; and file formats."""

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar
from zlib import crc32

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from leanet.pictures.picture_page import FAINT, FONT, INK

_DARK_GROUND, _DARK_INK, _DARK_FAINT = "#201f1c", "#ece9e3", "#a8a39a"  # as in page.css

Dashes = Any  # a name or (offset, lengths), as matplotlib's linestyle
Choice = TypeVar("Choice")

# The colour shows how the anomaly map is used; any two differ in lightness by at least 7 of L*'s 100.
_COLORS = {
    "": "#1a1a1a",
    "-map": "#6a1b5d",
    "+resnet": "#0b4f9e",
    "-rgb_map": "#117733",
    "+mobilenet": "#d55e00",
    "-attentioned": "#cc79a7",
    "+direct": "#56b4e9",
}
_OTHER_COLORS = ("#e6b800", "#8c6d1f", "#44aa99")

# Marker, line and hatch show the ADN.
_ADNS: dict[str, tuple[str, Dashes, str]] = {
    "resnet18": ("o", "-", "///"),
    "vgg16": ("s", (0, (5, 2)), "\\\\\\"),
    "cnn": ("^", (0, (5, 1, 1, 1)), "..."),
    "resnet50": ("D", (0, (2, 1)), "xxx"),
    "vgg19": ("v", (0, (7, 1, 1, 1, 1, 1)), "+++"),
}
_OTHER_ADNS: tuple[tuple[str, Dashes, str], ...] = (
    ("P", (0, (3, 1)), "---"),
    ("X", (0, (6, 1, 2, 1)), "|||"),
    ("h", (0, (9, 2)), "ooo"),
)


@dataclass(frozen=True)
class Style:
    """How a method is drawn: a line with markers, or an area with a hatch.

    Args:
        color: of line and markers.
        marker: of matplotlib.
        line: of matplotlib.
        hatch: of matplotlib.
        filled: whether markers are filled; hollow ones are for methods that differ from the usual one in other
            settings, such as maps or training.
    """

    color: str
    marker: str
    line: Dashes
    hatch: str
    filled: bool

    @property
    def of_line(self) -> Mapping[str, Any]:
        """Arguments for matplotlib's lines."""
        face = self.color if self.filled else "white"
        return {"color": self.color, "marker": self.marker, "linestyle": self.line, "markerfacecolor": face}


def style_of(adn: str, variant: str, filled: bool = True) -> Style:
    """The style of a method, the same for all points and shares of positives.

    Args:
        adn: its name.
        variant: how the method uses the anomaly map, as in the table of results: +direct.
        filled: as for `Style`.
    """
    color = _COLORS.get(variant) or _pick(variant, _OTHER_COLORS)
    marker, line, hatch = _ADNS.get(adn) or _pick(adn, _OTHER_ADNS)
    return Style(color, marker, line, hatch, filled)


def style_of_cell(cell: Any) -> Style:
    """The style of a cell's method; see `leanet.report.cells.with_details`."""
    return style_of(cell.adn, cell.variant, filled=cell.method == cell.adn + cell.variant and not cell.details)


def _pick(name: str, choices: tuple[Choice, ...]) -> Choice:
    return choices[crc32(name.encode()) % len(choices)]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, usable in any thread; draw on it inside `in_our_style`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_svg(figure: Figure) -> str:
    """The figure as an <svg> element with text as text; equal figures give equal output."""
    out = io.StringIO()
    with in_our_style():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def darkened(figure: Figure) -> Figure:
    """Change the ground of a page of pictures to dark and its text to light, for pages in dark mode."""
    figure.set_facecolor(_DARK_GROUND)
    for text in figure.findobj(Text):
        text.set_color(_DARK_INK if to_hex(text.get_color()) == INK else _DARK_FAINT)
    for axes in figure.axes:
        axes.tick_params(colors=_DARK_FAINT)
    return figure


def to_bytes(figure: Figure, ending: str) -> bytes:
    """The figure as a file with the suffix `pdf`, or `png` with 300 dpi."""
    out = io.BytesIO()
    with in_our_style():
        figure.savefig(out, format=ending, dpi=300, metadata={"CreationDate": None} if ending == "pdf" else None)
    return out.getvalue()


def in_our_style() -> AbstractContextManager[None]:
    """A context in which figures have leanet's fonts and lines, and $ in names does not start mathematics."""
    return rc_context(_RC)


_RC: Any = {
    "text.parse_math": False,
    "font.family": [FONT, "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.5,
    "figure.dpi": 100,
    "pdf.fonttype": 42,  # TrueType, which can be searched and edited
    "svg.fonttype": "none",
    "svg.hashsalt": "leanet",  # makes ids reproducible
}
