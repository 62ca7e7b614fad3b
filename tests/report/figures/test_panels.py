import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import BboxImage

from leanet.pictures.sheet import Panel
from leanet.report.figures.panels import Examples, Mistakes, PointFeatures, draw_examples, draw_features, draw_mistakes
from leanet.report.figures.style import to_bytes, to_svg

RNG = np.random.default_rng(0)
ODD = "$\\frac{葉<b>\n\t🍃 $x_{1}.png"


def panel(label: int, maps: bool = True) -> Panel:
    image = RNG.integers(0, 256, (3, 16, 16), dtype=np.uint8)
    if not maps:
        return Panel(ODD, label, 0.25, image)
    return Panel(ODD, label, 0.25, image, image[::-1], 30 * RNG.random((16, 16)), RNG.random((4, 4)))


def pictures(figure: Figure) -> list[tuple[float, float, np.ndarray, BboxImage]]:
    """Left, top, values and image of each picture, in the order of reading."""
    found = []
    for image in figure.findobj(BboxImage):
        place = image.get_window_extent().transformed(figure.transFigure.inverted())
        found.append((round(-place.y1, 4), round(place.x0, 4), np.asarray(image.get_array()), image))
    return sorted(found, key=lambda entry: entry[:2])


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_examples_show_original_recoloured_and_map_below_each_other() -> None:
    members = [panel(1), panel(0)]
    figure = draw_examples([Examples("strawberry", members)])
    found = [values for _, _, values, _ in pictures(figure)]
    expected = [p.image.transpose(1, 2, 0) for p in members] + [p.recoloured.transpose(1, 2, 0) for p in members]
    for values, wanted in zip(found, [*expected, *(p.difference for p in members)], strict=True):
        np.testing.assert_allclose(values, wanted, rtol=1e-6)
    assert {"strawberry", "positive", "negative", "ΔE00"} <= set(words(figure))


@pytest.mark.parametrize("count", [1, 2])
def test_datasets_stand_side_by_side_as_long_as_they_fit(count: int) -> None:
    blocks = [Examples(f"data-{n}", [panel(1)] * count + [panel(0)] * count) for n in range(7)]
    figure = draw_examples(blocks)
    lines = 3 if count == 1 else 4  # three datasets in a line as in the paper, or two of twice the width
    assert figure.get_figwidth() <= 8.6 and len({top for top, *_ in pictures(figure)}) == 3 * lines


def test_maps_alone_leave_no_room_for_recoloured_images() -> None:
    bare = Panel("a", 1, 0.5, panel(1).image, difference=RNG.random((16, 16)))
    assert "recoloured" not in words(draw_examples([Examples("data", [bare])]))


def test_features_before_attention_and_after_share_a_scale_in_each_column() -> None:
    before, attention = RNG.random((2, 8, 8)), RNG.random((2, 8, 8))
    points = [PointFeatures(point, before * point, attention, before * point * (1 + attention)) for point in (1, 4)]
    figure = draw_features(ODD, [panel(1), panel(0)], points)
    columns = [[image for _, left, _, image in pictures(figure) if left == x] for x in _columns(figure)[1:]]
    for column, point in zip(columns, points, strict=True):
        shown = [
            point.before[0],
            point.attention[0],
            point.after[0],
            point.before[1],
            point.attention[1],
            point.after[1],
        ]
        for image, values in zip(column, shown, strict=True):
            np.testing.assert_allclose(image.get_array(), values, rtol=1e-6)
        limits = [image.get_clim() for image in column]
        assert limits[0] == limits[2] == limits[3] == limits[5] == (point.before.min(), point.after.max())
    assert columns[0][1].get_clim() == columns[1][1].get_clim()
    assert {"point 1", "point 4", "before: f", "attention: A", "after: f · (1 + A)"} <= set(words(figure))


def _columns(figure: Figure) -> list[float]:
    return sorted({left for _, left, _, _ in pictures(figure)})


@pytest.mark.filterwarnings("error")
def test_mistakes_say_what_they_are() -> None:
    wrong = Mistakes(1, 3, 20, [panel(1), panel(1, maps=False)], [2, 5])
    none = Mistakes(0, 0, 60, [panel(0)], [1])
    figure = draw_mistakes(ODD, [wrong, none])
    assert {
        "anomalous, called normal: 3 of 20",
        "normal, called anomalous: none of 60; these were the least sure",
        "P = 0.25, fold 2",
        "P = 0.25, fold 5",
    } <= set(words(figure))
    assert not any(text.get_parse_math() for text in figure.texts)
    assert all(sign.isprintable() for text in words(figure) for sign in text)
    assert len(pictures(figure)) == 4 + 1 + 4
    assert to_bytes(figure, "pdf").startswith(b"%PDF") and "<b>" not in to_svg(figure)


def test_mistakes_of_a_frozen_network_show_its_evidence_on_one_scale() -> None:
    maps = [np.array([[0.5, -0.1]]), np.array([[0.1, -2.0]])]
    seen = [Panel("a", label, 0.5, panel(1).image, evidence=values) for label, values in zip((1, 0), maps, strict=True)]
    figure = draw_mistakes("t", [Mistakes(each.label, 1, 1, [each], ["1"]) for each in seen])
    shown = [(values, image) for _, _, values, image in pictures(figure) if values.ndim == 2]
    for (values, image), wanted in zip(shown, maps, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=1e-6)
        assert image.get_clim() == pytest.approx((-2, 2), abs=0.01)
    assert "evidence" in words(figure) and not {"attention", "anomaly map"} & set(words(figure))


def test_a_class_without_images_is_left_empty() -> None:
    figure = draw_mistakes("t", [Mistakes(1, 0, 0, [], []), Mistakes(0, 0, 1, [panel(0, maps=False)], [1])])
    assert len(pictures(figure)) == 1
