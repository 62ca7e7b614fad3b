"""What a model adds to its plain ADN, over a table."""

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t as student
from scipy.stats import ttest_rel

from leanet.report.lifts import Lift, Versus
from leanet.report.lifts import lifts as lifts_of
from leanet.report.results import results

Finish = Any  # see conftest.py
POTATO = ("dataset.name=potato",)
PLAIN = {1: 0.60, 2: 0.65, 3: 0.58, 4: 0.70, 5: 0.62}
POINT1 = {1: 0.66, 2: 0.69, 3: 0.66, 4: 0.73, 5: 0.70}
POINT2 = {1: 0.61, 2: 0.61, 3: 0.63, 4: 0.69, 5: 0.64}


def lifts(folds: Any, *versus: Versus) -> dict[str, Lift]:
    """By the cell's identity alone."""
    return {cell: found for (_, cell), found in lifts_of(folds, *versus).items()}


def corrected_p(model: dict[int, float], plain: dict[int, float]) -> float:
    """Nadeau & Bengio's p by way of SciPy's paired t-test: 20 test images to 80 training images, five folds."""
    ordinary = ttest_rel(list(model.values()), list(plain.values())).statistic
    return float(2 * student.sf(abs(ordinary) * (1 / 5 / (1 / 5 + 20 / 80)) ** 0.5, 4))


def test_every_point_is_a_comparison_that_is_paid_for(finish: Finish, tmp_path: Path) -> None:
    finish(PLAIN, *POTATO, "caan=none")
    point1 = finish(POINT1, *POTATO, "caan=mobilenet", "point=1")
    point2 = finish(POINT2, *POTATO, "caan=mobilenet", "point=2")
    found = lifts(results(tmp_path))
    assert found.keys() == {point1.cell, point2.cell}
    best, other = found[point1.cell], found[point2.cell]
    assert best.comparison.mean == pytest.approx(0.058)
    assert best.p == pytest.approx(2 * corrected_p(POINT1, PLAIN))
    assert other.p == pytest.approx(corrected_p(POINT2, PLAIN))
    assert best.tests == 2
    assert str(best).startswith("+0.058 [+0.0") and f"p={best.p:.2g}" in str(best)


@pytest.mark.parametrize("words", [["adn.lr=9e-3"], ["dataset.name=wood"], ["adn=vgg16"], ["positive_rate=0.5"]])
def test_only_the_same_adn_is_a_counterpart(finish: Finish, tmp_path: Path, words: list[str]) -> None:
    finish(PLAIN, *POTATO, "caan=none")
    finish(POINT1, *POTATO, "caan=mobilenet", *words)
    assert lifts(results(tmp_path)) == {}


def test_thinned_positives_and_other_inputs_have_their_own(finish: Finish, tmp_path: Path) -> None:
    finish(PLAIN, *POTATO, "caan=none", "positive_rate=0.5")
    finish(PLAIN, *POTATO, "caan=none")
    thinned = finish(POINT1, *POTATO, "caan=direct", "positive_rate=0.5")
    mapped = finish({1: 0.7}, *POTATO, "caan=none", "input=map")
    found = lifts(results(tmp_path))
    assert found.keys() == {thinned.cell, mapped.cell}
    assert str(found[mapped.cell]) == "+0.100" and found[mapped.cell].tests == 1  # a single fold is no test


def test_lifts_of_another_figure_over_a_model_that_is_named(finish: Finish, tmp_path: Path) -> None:
    plain = finish(PLAIN, *POTATO, "caan=none", thresholded=PLAIN)
    balanced = finish(POINT1, *POTATO, "caan=none", "trainer.balance=weights", thresholded=POINT2)
    attended = finish(PLAIN, *POTATO, "caan=direct", thresholded=POINT1)
    cells = results(tmp_path)
    found = lifts(cells, Versus("thresholded"))
    assert found.keys() == {attended.cell} and found[attended.cell].comparison.mean == pytest.approx(0.058)
    found = lifts(cells, Versus("thresholded", model="resnet18"))
    assert found.keys() == {balanced.cell, attended.cell} and found[balanced.cell].tests == 2
    assert found[balanced.cell].comparison.mean == pytest.approx(0.006)
    thinned = finish(POINT1, *POTATO, "caan=none", "trainer.balance=weights", "positive_rate=0.5", thresholded=POINT1)
    finish(PLAIN, *POTATO, "caan=none", "positive_rate=0.5", thresholded=PLAIN)
    assert lifts(results(tmp_path), Versus(model="resnet18"))[thinned.cell].comparison.mean == pytest.approx(0.058)
    assert lifts(cells, Versus(model="resnet18-balanced")).keys() == {plain.cell, attended.cell}
