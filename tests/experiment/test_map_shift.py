import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from leanet.experiment.map_shift import map_shift
from leanet.experiment.split import Split

LABELS = np.array([0] * 8 + [1] * 4)
NOTHING = np.array([], dtype=np.int64)


def split(test: list[int]) -> Split:
    others = np.setdiff1d(np.arange(12), test)
    return Split(others, others, NOTHING, np.array(test, dtype=np.int64))


def constant_maps(values: list[float]) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, 1, 4, 4).half()


def test_the_shift_is_that_of_a_rank_test() -> None:
    values = [1, 2, 3, 4, 2, 4, 5, 6, 9, 9, 7, 8.0]
    found = map_shift(constant_maps(values), LABELS, split([4, 5, 6, 7, 10, 11]))
    ranks = mannwhitneyu([2, 4, 5, 6], [1, 2, 3, 4])
    assert found["shift"] == pytest.approx(ranks.statistic / 16)
    assert (found["train_normals"], found["test_normals"], found["test_positives"]) == (2.5, 4.25, 7.5)


def test_maps_that_are_alike_have_one_half() -> None:
    assert map_shift(constant_maps([1.0] * 12), LABELS, split([6, 7, 11]))["shift"] == 0.5


def test_nothing_is_held_out_of_a_fit_on_all_images() -> None:
    found = map_shift(constant_maps([1.0] * 12), LABELS, split([]))
    assert found == {"train_normals": 1, "test_normals": None, "test_positives": None, "shift": None}
