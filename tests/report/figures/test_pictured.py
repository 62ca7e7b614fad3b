import numpy as np
import pytest

from leanet.report.figures.pictured import datasets_of, worst

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("most", [1, 3, 8, 500])
def test_the_worst_mistakes_are_the_farthest_from_their_label(label: int, most: int) -> None:
    labels, chances = RNG.integers(0, 2, 200), RNG.random(200)
    rows, wrong, images = worst(label, labels, chances, most)
    called = chances > 0.5
    mistaken = [row for row in range(200) if labels[row] == label and called[row] != label]
    assert (wrong, images) == (len(mistaken), int((labels == label).sum()))
    assert rows == sorted(mistaken, key=lambda row: -abs(chances[row] - label))[:most]


def test_where_none_is_wrong_the_least_sure_are_shown() -> None:
    assert worst(1, [1, 1, 0, 1], [0.9, 0.51, 0.7, 0.8], 2) == ([1, 3], 0, 3)
    assert worst(0, [1, 1], [0.9, 0.51], 2) == ([], 0, 0)


def test_figures_3_and_6_share_the_papers_datasets_and_both_show_others() -> None:
    there = ["cloud", "mine", "strawberry", "retina"]
    assert datasets_of(3, there) == ["retina", "cloud", "mine"]
    assert datasets_of(6, there) == ["strawberry", "mine"]
