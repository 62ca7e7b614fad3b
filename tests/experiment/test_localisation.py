import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from leanet.experiment.localisation import aupro, localised


def regions() -> NDArray[np.bool_]:
    """Two images with anomalous regions of 1, 4 and 12 pixels, one of which meets another at a corner; one without."""
    masks = np.zeros((3, 12, 12), dtype=bool)
    masks[0, 2:4, 2:4] = masks[0, 4, 4] = True  # one region of 5, by its corner
    masks[0, 9:11, 3:9] = True
    masks[1, 5, 5] = True
    return masks


def by_thresholds(maps: NDArray[np.float64], masks: NDArray[np.bool_], most_false: float) -> float:
    """AUPRO by its definition: a threshold after the other, a region after the other."""
    each = [(place, label(mask, np.ones((3, 3)))) for place, mask in enumerate(masks)]
    of_pixels = [(place, found == number) for place, (found, count) in each for number in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        above = maps >= threshold
        overlap = np.mean([above[place][region].mean() for place, region in of_pixels])
        points.append((above[~masks].mean(), float(overlap)))
    false, covered = np.array(points).T
    fine = np.linspace(0, most_false, 200_001)
    return float(np.interp(fine, false, covered).mean())


@pytest.mark.parametrize("most_false", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("levels", [5, 10_000])
def test_aupro_is_that_of_its_definition(most_false: float, levels: int) -> None:
    masks = regions()
    maps = np.random.default_rng(0).integers(0, levels, masks.shape) / levels + 0.2 * masks
    assert aupro(maps, masks, most_false) == pytest.approx(by_thresholds(maps, masks, most_false), abs=2e-3)


def test_perfect_maps_have_one_and_constant_ones_what_the_diagonal_has() -> None:
    masks = regions()
    assert aupro(masks.astype(float), masks) == pytest.approx(1)
    assert aupro(np.ones(masks.shape), masks) == pytest.approx(0.15)  # the mean of the diagonal up to .3, by .3
    assert aupro(1.0 - masks, masks) == 0


def test_small_regions_count_as_much_as_large_ones() -> None:
    masks = regions()
    only_large = masks.astype(float)
    only_large[1] = 0  # the region of one pixel is not found: it comes with the normal pixels, of which .3 count
    assert aupro(only_large, masks) == pytest.approx(2 / 3 + 0.15 / 3, abs=1e-3)


def test_small_maps_are_enlarged() -> None:
    masks = np.zeros((2, 32, 32), dtype=bool)
    masks[0, :13] = True
    small = torch.zeros(2, 4, 4)
    small[0, 1] = 1
    found = localised({"attention": small, "map": torch.from_numpy(masks).float()}, masks)
    assert found["map"] == {"pixel_auroc": 1.0, "aupro": pytest.approx(1)}
    assert 0.7 < found["attention"]["pixel_auroc"] < 1
    values = torch.nn.functional.interpolate(small[:, None], (32, 32), mode="bilinear")[:, 0].numpy()
    assert found["attention"]["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), values.ravel()))


def test_nothing_to_score() -> None:
    assert localised({"map": torch.rand(2, 4, 4)}, np.zeros((2, 4, 4), dtype=bool)) == {}
