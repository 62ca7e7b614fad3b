import numpy as np
import pytest
import torch

from leanet.maps.scaling import map_divisor, map_scales


def test_scalings() -> None:
    maps = torch.rand(6, 1, 8, 8).half() * torch.tensor([1, 2, 4, 8, 16, 0])[:, None, None, None]
    train = torch.tensor([0, 1, 2])

    def scaled(scaling: str) -> torch.Tensor:
        return maps.float() * map_scales(maps, map_divisor(maps, scaling, train))[:, None, None, None]

    peaks = scaled("image_max").flatten(1).amax(1)
    torch.testing.assert_close(peaks, torch.tensor([1.0, 1, 1, 1, 1, 0]), atol=1e-3, rtol=0)
    by_fold = scaled("fold")
    assert by_fold[train].quantile(0.999) == pytest.approx(1, abs=1e-2)
    torch.testing.assert_close(by_fold[4] / by_fold[2], maps[4].float() / maps[2].float())
    torch.testing.assert_close(scaled("fixed"), maps.float() / 10)


def test_fold_scaling_does_not_look_at_test_images() -> None:
    maps = torch.rand(6, 1, 8, 8).half()
    train = torch.tensor([0, 1, 2])
    before = map_divisor(maps, "fold", train)
    maps[3:] *= 50
    assert map_divisor(maps, "fold", train) == before


def test_the_quantile_of_many_maps_is_taken_of_evenly_spread_values() -> None:
    maps, rows = torch.rand(60, 1, 401, 399).half(), torch.arange(1, 60)
    every = 59 * 401 * 399 // 4_000_000
    assert every == 2
    expected = np.quantile(maps[rows].numpy().reshape(-1)[::every], 0.999)
    assert map_divisor(maps, "fold", rows) == float(expected)
