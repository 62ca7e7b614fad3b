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
SHARES = Line("resnet18+mobilenet", ATTENDED, (0.05, 0.1, 0.2), ((0.3, 0.5, 0.4), (0.6, 0.64, 0.7), (0.8, 0.9, 1.0)))
POINTS = Line("resnet18+mobilenet", ATTENDED, (1, 3, 5), ((0.3, 0.4, 0.5), (0.6, 0.7, 0.9), (1.0, 1.0, 0.7)))
PLAIN = Line("resnet18", ALONE, (0.05, 0.2), ((0.2, 0.3, 0.3), (0.7, 0.75, 0.7)))
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
        sds = np.array([np.std(folds, ddof=1) for folds in drawn.folds])
        np.testing.assert_allclose(markers, np.column_stack([drawn.x, means]))
        np.testing.assert_allclose(ends, np.column_stack([means - sds, means + sds]))
        low, high = figure.axes[0].get_ylim()
        assert low <= (means - sds).min() and (means + sds).max() <= high  # nothing is cut off
        assert max(figure.axes[0].get_yticks()) <= 1


def test_fewer_than_three_folds_are_points_without_a_bar() -> None:
    few = Line("resnet18+mobilenet", ATTENDED, (1, 3), ((0.3, 0.5), (0.6,)))
    figure = draw_by_point([Scores("potato", (few,), (Level("resnet18", ALONE, (0.5, 0.6)),))])
    (axes,) = figure.axes
    ((_, ends),) = bars(axes).values()
    np.testing.assert_allclose(ends, [[0.4, 0.4], [0.6, 0.6]])
    (folds,) = (line for line in axes.lines if line.get_marker() == ".")
    np.testing.assert_allclose(np.column_stack(folds.get_data()), [[1, 0.3], [1, 0.5]])
    assert not axes.patches  # the plain network has no band either
    assert "one fold, where there are fewer than three" in [text.get_text() for text in figure.legends[0].get_texts()]


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


def test_the_end_of_a_colorizers_loss_is_seen() -> None:
    """It falls from .75 to .686 at once, and from there to .685 in a hundred epochs."""
    curve = (0.75, *(0.685 + 0.01 / epoch for epoch in range(2, 101)))
    figure = draw_losses("t", "#1a1a1a", Losses({"colorizer": (curve,), "adn_loss": (curve,)}))
    adn, colorizer = figure.axes
    low, high = colorizer.get_ylim()
    assert low < min(curve) and max(curve[10:]) < high < 0.687
    assert [text.get_text() for text in colorizer.texts] == ["begins at 0.75, beyond the top"]
    assert adn.get_ylim()[0] == 0 and adn.get_ylim()[1] > 0.75 and not adn.texts


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
