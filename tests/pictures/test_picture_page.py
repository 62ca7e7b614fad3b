import numpy as np
import pytest

from leanet.pictures.picture_page import attention_scale


@pytest.mark.parametrize(("least", "most"), [(0.27, 0.58), (0.0, 12.0)])
def test_what_is_only_added_has_one_colour_from_least_to_most(least: float, most: float) -> None:
    scale = attention_scale([np.array([[least]]), np.array([[most]])])
    assert (scale.norm.vmin, scale.norm.vmax) == pytest.approx((least, most))


@pytest.mark.parametrize("least", [0.5, -0.005])
def test_a_range_of_a_hundredth_looks_flat(least: float) -> None:
    scale = attention_scale([np.array([[least, least + 0.01]])])
    assert scale.norm(least + 0.01) - scale.norm(least) == pytest.approx(0.05)


@pytest.mark.parametrize(("least", "most"), [(-0.1, 3.0), (-3.0, 0.1), (-2.0, -1.0)])
def test_what_is_taken_away_has_another_colour_and_nothing_lies_in_the_middle(least: float, most: float) -> None:
    scale = attention_scale([np.array([[least, most]])])
    assert scale.norm(0) == 0.5
    assert scale.norm(least) >= 0 and scale.norm(most) <= 1 and scale.norm(least) < 0.5
    assert scale.colormap != attention_scale([np.ones((2, 2))]).colormap
