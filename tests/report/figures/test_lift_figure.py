"""What the figure of lifts shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from leanet.report.figures.charts import draw_lifts
from leanet.report.figures.series import lifts_by_dataset
from leanet.report.lifts import Versus
from leanet.report.results import results

Finish = Any  # see ../conftest.py
PLAIN = {1: 0.60, 2: 0.65, 3: 0.58, 4: 0.70, 5: 0.62}
CLEAR = {fold: f1 + 0.1 + fold / 1000 for fold, f1 in PLAIN.items()}
UNCLEAR = {1: 0.61, 2: 0.61, 3: 0.63, 4: 0.69, 5: 0.60}


def test_means_and_intervals_are_drawn_and_clear_ones_thick(finish: Finish, tmp_path: Path) -> None:
    for dataset in ("potato", "wood"):
        finish(PLAIN, f"dataset.name={dataset}", "caan=none")
        finish(UNCLEAR, f"dataset.name={dataset}", "caan=mobilenet")
    finish(CLEAR, "dataset.name=potato", "caan=direct")
    finish(CLEAR, "dataset.name=retina", "caan=direct")  # with no plain classifier beside it
    panels = lifts_by_dataset(results(tmp_path), Versus())
    assert list(panels) == ["potato", "wood"]

    figure = draw_lifts(panels, Versus())
    potato = figure.axes[0]
    assert [label.get_text() for label in potato.get_yticklabels()] == ["resnet18+direct@4", "resnet18+mobilenet@4"]
    zero, *lines = potato.get_lines()
    assert set(np.atleast_1d(zero.get_xdata())) == {0}
    intervals, means = lines[::2], lines[1::2]
    for (_, style, lift), interval, mean in zip(panels["potato"], intervals, means, strict=True):
        np.testing.assert_allclose(interval.get_xdata(), [lift.comparison.low, lift.comparison.high])
        np.testing.assert_allclose(mean.get_xdata(), [lift.comparison.mean])
        assert to_rgba(interval.get_color()) == to_rgba(style.color)
    assert intervals[0].get_linewidth() > 2 > intervals[1].get_linewidth()
    assert figure.axes[-1].get_xlabel() == "F1 less the plain ADN’s, 95 % interval"


def test_two_folds_have_points_and_no_interval(finish: Finish, tmp_path: Path) -> None:
    finish({1: 0.6, 2: 0.6}, "dataset.name=potato", "caan=none")
    finish({1: 0.5, 2: 0.8}, "dataset.name=potato", "caan=direct")
    panels = lifts_by_dataset(results(tmp_path), Versus())
    assert str(panels["potato"][0][2]) == "+0.050"
    figure = draw_lifts(panels, Versus())
    _, folds, mean = figure.axes[0].get_lines()
    assert folds.get_xdata() == pytest.approx([-0.1, 0.2]) and mean.get_xdata() == pytest.approx([0.05])
    assert "one fold, where there are fewer than three" in figure.axes[0].get_xlabel()


def test_a_single_fold_has_a_mean_alone(finish: Finish, tmp_path: Path) -> None:
    finish({1: 0.6}, "dataset.name=potato", "caan=none")
    finish({1: 0.7}, "dataset.name=potato", "caan=direct")
    (axes,) = draw_lifts(lifts_by_dataset(results(tmp_path), Versus()), Versus()).axes
    _, mean = axes.get_lines()
    assert mean.get_xdata() == pytest.approx([0.1])
