"""What is drawn is what the numbers say, and it is drawn as vectors."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from leanet.report.figures.charts import draw_by_point, draw_by_share, draw_losses
from leanet.report.figures.series import Level, Line, Losses, Scores
from leanet.report.figures.style import style_of, to_bytes, to_svg

ATTENDED, ALONE = style_of("resnet18", "+mobilenet"), style_of("resnet18", "")
SHARES = Line("resnet18+mobilenet", ATTENDED, (0.05, 0.1, 0.2), ((0.3, 0.5), (0.6, 0.64, 0.7), (0.8, 0.9)))
POINTS = Line("resnet18+mobilenet", ATTENDED, (1, 3, 5), ((0.3, 0.5), (0.6, 0.7), (0.8,)))
PLAIN = Line("resnet18", ALONE, (0.05, 0.2), ((0.2, 0.3), (0.7, 0.75)))
ODD = "<script>&'\"$x_{"


def bars(axes: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By colour: x and y of each line's markers, and the ends of its error bars, (n, 2)."""
    return {
        str(to_rgba(drawn.lines[0].get_color())): (
            np.column_stack(drawn.lines[0].get_data(orig=False)),
            np.array(drawn.lines[2][0].get_segments())[:, :, 1],
        )
        for drawn in axes.containers
    }


@pytest.mark.parametrize(
    ("draw", "line"), [(draw_by_share, SHARES), (draw_by_point, POINTS)], ids=["by share", "by point"]
)
def test_means_and_sds_are_drawn(draw: Callable[..., Figure], line: Line) -> None:
    figure = draw([Scores("potato", (line, PLAIN)), Scores("retina", (PLAIN,))])
    assert [axes.get_title() for axes in figure.axes] == ["potato", "retina"]
    found = bars(figure.axes[0])
    assert len(found) == 2
    for drawn in (line, PLAIN):
        markers, ends = found[str(to_rgba(drawn.style.color))]
        means = np.array([np.mean(folds) for folds in drawn.folds])
        sds = np.array([np.std(folds, ddof=1) if len(folds) > 1 else 0 for folds in drawn.folds])
        np.testing.assert_allclose(markers, np.column_stack([drawn.x, means]))
        np.testing.assert_allclose(ends, np.column_stack([means - sds, means + sds]))
        low, high = figure.axes[0].get_ylim()
        assert low <= (means - sds).min() and min(1, (means + sds).max()) <= high <= 1.02


def test_the_plain_network_is_a_line_in_a_band_and_the_floor_is_dotted() -> None:
    figure = draw_by_point([Scores("potato", (POINTS,), (Level("resnet18", ALONE, (0.5, 0.6, 0.7)),), floor=0.4)])
    (axes,) = figure.axes
    flat = [line for line in axes.lines if len(line.get_ydata()) == 2 and len(set(line.get_ydata())) == 1]
    assert {round(line.get_ydata()[0], 9): line.get_linestyle() for line in flat} == {0.4: ":", 0.6: "-"}
    (band,) = axes.patches
    assert (band.get_y(), band.get_height()) == (pytest.approx(0.5), pytest.approx(0.2))
    assert band.get_hatch() == ALONE.hatch
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "resnet18, plain ± SD",
        "resnet18+mobilenet",
        "always “anomalous” (floor)",
    ]


def test_losses_thin_for_folds_and_thick_for_their_mean() -> None:
    curves = ((1.0, 0.5, 0.2), (2.0, 1.5))
    figure = draw_losses("t", "#1a1a1a", Losses({"adn_loss": curves, "caan_loss": curves[:1]}))
    assert [axes.get_title() for axes in figure.axes] == ["ADN", "CAAN"]
    first, second, mean = figure.axes[0].lines
    assert list(first.get_ydata()) == [1.0, 0.5, 0.2] and list(first.get_xdata()) == [1, 2, 3]
    assert list(second.get_ydata()) == [2.0, 1.5]
    assert list(mean.get_ydata()) == [1.5, 1.0] and mean.get_linewidth() > 2 * first.get_linewidth()


def chart() -> Figure:
    odd = Line(ODD, ATTENDED, POINTS.x, POINTS.folds)
    return draw_by_point([Scores(ODD, (odd, POINTS), (Level("resnet18", ALONE, (0.5, 0.6)),), floor=0.4)] * 4)


def test_a_pdf_holds_letters_and_lines_but_no_raster_image() -> None:
    pdf = to_bytes(chart(), "pdf")
    assert b"/Subtype /Image" not in pdf and b"/FontFile2" in pdf
    assert pdf == to_bytes(chart(), "pdf")


def test_a_png_has_300_dots_an_inch() -> None:
    figure = chart()
    png = to_bytes(figure, "png")
    width = int.from_bytes(png[16:20], "big")
    assert width == pytest.approx(figure.get_figwidth() * 300, abs=1)


def test_an_svg_is_the_same_each_time_and_escapes_names() -> None:
    svg = to_svg(chart())
    assert svg == to_svg(chart()) and svg.startswith("<svg") and "<script" not in svg
    assert not re.search(r"<image|data:image|<dc:date|\d{4}-\d\d-\d\dT", svg)
    texts = ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count(ODD) == 5  # four panels and the legend, as it stands
