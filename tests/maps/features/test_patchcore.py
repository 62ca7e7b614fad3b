"""Distances against SciPy's tree and scikit-learn's search, the coreset by what it is chosen for."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from leanet.maps.features import patchcore as module
from leanet.maps.features.patchcore import greedy_coreset, nearest, patchcore, patches


@pytest.mark.parametrize("chunk", [7, 64, 1024])
def test_distances_are_those_of_brute_force(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    torch.manual_seed(0)
    memory = torch.randn(200, 20) + 50
    points = torch.cat([torch.randn(30, 20) + 50, memory[3:4], memory[5:6] + 1e-3])
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(memory.double().numpy())
    expected = search.kneighbors(points.double().numpy())[0][:, 0]
    np.testing.assert_allclose(expected, cdist(points.double().numpy(), memory.double().numpy()).min(axis=1), atol=1e-6)
    np.testing.assert_allclose(nearest(points, memory).numpy(), expected, rtol=1e-3)
    assert nearest(points, memory)[30] == 0  # a patch of the memory itself


def test_each_of_the_coreset_is_the_farthest_from_those_before() -> None:
    torch.manual_seed(1)
    points = torch.randn(60, 5)
    rows = greedy_coreset(points, 12, seed=0).tolist()
    assert len(set(rows)) == 12
    apart = cdist(points.numpy(), points.numpy())
    for count in range(1, 12):
        assert apart[:, rows[:count]].min(axis=1).argmax() == rows[count]


def test_the_coreset_covers_at_most_twice_as_far_as_the_best_choice() -> None:
    torch.manual_seed(2)
    points = torch.randn(14, 2)
    apart = cdist(points.numpy(), points.numpy())
    best = min(apart[:, list(chosen)].min(axis=1).max() for chosen in combinations(range(14), 4))
    found = apart[:, greedy_coreset(points, 4, seed=0).tolist()].min(axis=1).max()
    assert best <= found <= 2 * best


def test_it_covers_far_patches_which_a_random_choice_misses() -> None:
    torch.manual_seed(3)
    points = torch.cat([torch.randn(500, 300) * 0.1, torch.randn(3, 300) * 0.1 + 9 * torch.eye(300)[:3]])
    crowd, far = points[:500].T.reshape(1, 300, 20, 25), points[500:].T.reshape(1, 300, 1, 3)
    model = patchcore([[crowd], [far]], coreset=0.02, seed=0)
    assert model.memory.shape == (10, 300)
    # Means over 3×3 places are taken first: what is far is that of the second image.
    assert len(nearest(patches([far]), model.memory)) == 3 and nearest(patches([far]), model.memory).max() < 1e-6


def test_patches_are_means_of_neighbourhoods_at_the_size_of_the_first_layer() -> None:
    fine, coarse = torch.randn(2, 3, 6, 6), torch.randn(2, 4, 3, 3)
    found = patches([fine, coarse]).view(2, 6, 6, 7)
    torch.testing.assert_close(found[1, 2, 3, :3], fine[1, :, 1:4, 2:5].mean(dim=(1, 2)))
    torch.testing.assert_close(found[0, 0, 5, :3], fine[0, :, :2, 4:].mean(dim=(1, 2)))  # at a corner of what there is
    torch.testing.assert_close(found[0, 0, 0, 3:], coarse[0, :, :2, :2].mean(dim=(1, 2)))


def test_a_map_has_its_distances_in_their_places() -> None:
    torch.manual_seed(4)
    normal = [torch.randn(3, 8, 4, 6)]
    model = patchcore([normal], coreset=1.0, seed=0)
    assert model.memory.shape == (3 * 4 * 6, 8)
    assert model(normal).shape == (3, 1, 4, 6) and model(normal).max() == 0
    odd = normal[0].clone()
    odd[1, :, 0, 0] += 90.0
    found = model([odd])
    where = found > 1
    assert where[1, 0, :2, :2].all() and where.sum() == 4
    assert found[1, 0, 0, 0] == pytest.approx(90 / 4 * math.sqrt(8), rel=0.2)


def test_the_seed_begins_the_coreset() -> None:
    points = torch.randn(50, 4)
    assert torch.equal(greedy_coreset(points, 5, seed=3), greedy_coreset(points, 5, seed=3))
    assert len({int(greedy_coreset(points, 1, seed)[0]) for seed in range(6)}) > 1
