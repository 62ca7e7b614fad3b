"""A page on which images, maps with colour scales, and text are placed by inches."""

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
ADDED = "added to 1"  # the unit of attention maps
NARROWEST = 0.2  # width of the scale of attention maps, so that a range of 0.01, which is noise, looks flat
FONT = "DejaVu Sans"  # is part of matplotlib, so that pages are the same on every machine

Box = tuple[float, float, float, float]  # left, top, width and height, in inches


@dataclass(frozen=True)
class Scale:
    """How a map's values become colours.

    Args:
        colormap: of matplotlib.
        norm: the range of values.
        ends: the ends beyond which values may be, as matplotlib's `extend`.
        unit: of the values.
    """

    colormap: str | Colormap
    norm: Normalize
    ends: str = "neither"
    unit: str = ""


def difference_scale(maps: Iterable[NDArray[np.floating]], unit: str = "ΔE00") -> Scale:
    """The scale of anomaly maps (h, w): from 0 to almost the largest value, at least to 2."""
    # Not the largest, so that a few outliers do not darken all maps; at least 2, so that noise does not look strong.
    most = max((float(np.percentile(values, 99.8)) for values in maps), default=0.0)
    return Scale("magma", Normalize(0, max(most, 2.0)), "max", unit)


def attention_scale(maps: Iterable[NDArray[np.floating]]) -> Scale:
    """The scale of attention maps (h, w), the A of 1 + A: from the smallest to the largest value, at least 0.2 wide.

    With negative values, the colormap is diverging around 0.
    """
    every = list(maps)
    least = min((float(values.min()) for values in every), default=0.0)
    most = max((float(values.max()) for values in every), default=0.0)
    if least < 0:
        reach = max(-least, most, NARROWEST / 2)
        return Scale("PuOr_r", Normalize(-reach, reach), unit=ADDED)
    return Scale("viridis", Normalize(least, least + max(most - least, NARROWEST)), unit=ADDED)


def evidence_scale(maps: Iterable[NDArray[np.floating]]) -> Scale:
    """The scale of evidence maps (h, w): diverging around 0, with a few outliers clipped."""
    every = np.concatenate([np.abs(values).ravel() for values in maps])
    reach = max(float(np.quantile(every, 0.998)), 1e-9)
    return Scale("PuOr_r", Normalize(-reach, reach), unit="of the logit")


class Page:
    """A figure with positions in inches from its upper left corner. It needs neither pyplot nor a display.

    Args:
        width: in inches.
        height: in inches.
        dpi: pixels per inch.
    """

    def __init__(self, width: float, height: float, dpi: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes in a box, in inches."""
        return self.figure.add_axes(self._box(left, top, width, height).bounds)

    def _box(self, left: float, top: float, width: float, height: float) -> Bbox:
        """The box in fractions of the figure, from its lower left corner."""
        bottom = self.height - top - height
        return Bbox.from_bounds(left / self.width, bottom / self.height, width / self.width, height / self.height)

    def text(self, left: float, top: float, text: str, size: float = 11, color: str = INK, **style: Any) -> None:
        """Add text at a position in inches; $ does not start mathematics. `style`: further arguments of matplotlib."""
        place = (left / self.width, 1 - top / self.height)
        self.figure.text(*place, text, fontsize=size, color=color, family=FONT, parse_math=False, **style)

    def picture(
        self,
        picture: NDArray[Any],
        left: float,
        top: float,
        width: float,
        height: float,
        scale: Scale | None,
        within: Box | None = None,
    ) -> None:
        """Add an image (3, h, w) uint8 or, with a scale, a map (h, w), in a box in inches.

        Only the part inside `within` is drawn, if that is given: left, top, width and height of another box.
        """
        box = TransformedBbox(self._box(left, top, width, height), self.figure.transFigure)
        if scale is None:
            smooth = picture.shape[2] > width * self.figure.dpi / 2  # larger pixels are shown as squares
            image = BboxImage(box, interpolation="hanning" if smooth else "nearest", origin="upper")
            image.set_data(picture.transpose(1, 2, 0))
        else:
            image = BboxImage(box, cmap=scale.colormap, norm=scale.norm, interpolation="nearest", origin="upper")
            image.set_data(picture.astype(np.float32))
        if within:
            image.set_clip_box(TransformedBbox(self._box(*within), self.figure.transFigure))
        self.figure.add_artist(image)  # without axes, which take ten times as long

    def colorbar(
        self, scale: Scale, left: float, top: float, width: float, height: float, size: float = 9, ticks: int = 4
    ) -> None:
        """Add a colour bar with numbers in a box in inches; it is vertical if it is higher than wide."""
        bar = self.axes(left, top, width, height)
        upright = height > width
        shades = ScalarMappable(scale.norm, scale.colormap)
        orientation = "vertical" if upright else "horizontal"
        colorbar = self.figure.colorbar(shades, cax=bar, orientation=orientation, extend=scale.ends)
        colorbar.outline.set_visible(False)
        bar.locator_params(axis="y" if upright else "x", nbins=ticks)
        bar.tick_params(labelsize=size, length=2, pad=2, colors=FAINT, labelfontfamily=FONT)


def printable(text: str, length: int) -> str:
    """`text` with at most `length` characters, cut in the middle, and □ for characters that the font does not have."""
    known = _characters()
    text = "".join(sign if ord(sign) in known and sign.isprintable() else "□" for sign in text)
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())
