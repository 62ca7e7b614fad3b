"""A page for pictures: placed in inches, names as they stand, maps in colours of a scale that is shown beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.image import BboxImage
from matplotlib.transforms import Bbox, TransformedBbox
from numpy.typing import NDArray

INK, FAINT = "#222222", "#6b6b6b"
ADDED = "added to 1"  # what attention maps show
FONT = "DejaVu Sans"  # comes with matplotlib, so a page is the same on every machine


@dataclass(frozen=True)
class Scale:
    """How a map's values become colours. `ends`: where values may lie beyond the scale, as matplotlib's `extend`."""

    colormap: str | Colormap
    norm: Normalize
    ends: str = "neither"
    unit: str = ""


def difference_scale(maps: Iterable[NDArray[np.floating]], unit: str = "ΔE00") -> Scale:
    """Of anomaly maps in `unit`, from 0 to nearly the largest value."""
    # A few wild pixels must not darken all other maps; and where nothing differs, noise must not look like much.
    most = max((float(np.percentile(values, 99.8)) for values in maps), default=0.0)
    return Scale("magma", Normalize(0, max(most, 2.0)), "max", unit)


def attention_scale(maps: Iterable[NDArray[np.floating]]) -> Scale:
    """Of what is added to one, from the least value to the largest: the paper's maps hardly vary in space.

    Where some of it is taken away, the scale has two colours that meet at 0.
    """
    every = list(maps)
    least = min((float(values.min()) for values in every), default=0.0)
    most = max((float(values.max()) for values in every), default=0.0)
    if least < 0:
        reach = max(-least, most, 0.01)
        return Scale("PuOr_r", Normalize(-reach, reach), unit=ADDED)
    return Scale("viridis", Normalize(least, least + max(most - least, 0.02)), unit=ADDED)


def evidence_scale(maps: Iterable[NDArray[np.floating]]) -> Scale:
    """Of a logit's parts: two colours that meet at 0, which speaks for neither class; a few wild parts are cut off."""
    every = np.concatenate([np.abs(values).ravel() for values in maps])
    reach = max(float(np.quantile(every, 0.998)), 1e-9)
    return Scale("PuOr_r", Normalize(-reach, reach), unit="of the logit")


class Page:
    """A figure measured in inches from its upper left corner; it needs neither pyplot nor a display."""

    def __init__(self, width: float, height: float, dpi: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(self._box(left, top, width, height).bounds)

    def _box(self, left: float, top: float, width: float, height: float) -> Bbox:
        """In fractions of the figure, from its lower left corner."""
        bottom = self.height - top - height
        return Bbox.from_bounds(left / self.width, bottom / self.height, width / self.width, height / self.height)

    def text(self, left: float, top: float, text: str, size: float = 11, color: str = INK, **style: Any) -> None:
        """`text` as it stands: nothing in it is taken for mathematics."""
        place = (left / self.width, 1 - top / self.height)
        self.figure.text(*place, text, fontsize=size, color=color, family=FONT, parse_math=False, **style)

    def picture(
        self, picture: NDArray[Any], left: float, top: float, width: float, height: float, scale: Scale | None
    ) -> None:
        """An image (3, h, w) uint8, or with a scale a map (h, w)."""
        box = TransformedBbox(self._box(left, top, width, height), self.figure.transFigure)
        if scale is None:
            smooth = picture.shape[2] > width * self.figure.dpi / 2  # pixels enlarged more are better seen as they are
            image = BboxImage(box, interpolation="hanning" if smooth else "nearest", origin="upper")
            image.set_data(picture.transpose(1, 2, 0))
        else:
            image = BboxImage(box, cmap=scale.colormap, norm=scale.norm, interpolation="nearest", origin="upper")
            image.set_data(picture.astype(np.float32))
        self.figure.add_artist(image)  # no axes, which take ten times as long

    def colorbar(
        self, scale: Scale, left: float, top: float, width: float, height: float, size: float = 9, ticks: int = 4
    ) -> None:
        """The colours of `scale` with its numbers; upright if it is higher than wide."""
        bar = self.axes(left, top, width, height)
        upright = height > width
        shades = ScalarMappable(scale.norm, scale.colormap)
        orientation = "vertical" if upright else "horizontal"
        colorbar = self.figure.colorbar(shades, cax=bar, orientation=orientation, extend=scale.ends)
        colorbar.outline.set_visible(False)
        bar.locator_params(axis="y" if upright else "x", nbins=ticks)
        bar.tick_params(labelsize=size, length=2, pad=2, colors=FAINT, labelfontfamily=FONT)


def printable(text: str, length: int) -> str:
    """`text` on one line of at most `length` characters, cut in the middle, with □ for what the font cannot show."""
    known = _characters()
    text = "".join(sign if ord(sign) in known and sign.isprintable() else "□" for sign in text)
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())
