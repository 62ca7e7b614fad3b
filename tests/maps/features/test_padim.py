"""Against NumPy, place by place, as the article has it."""

import numpy as np
import pytest
import torch

from leanet.errors import LeanetError
from leanet.maps.features.padim import padim


def layers(images: int, offset: float = 0.0) -> list[torch.Tensor]:
    """Two layers of 4×4 and 2×2 places with 3 and 4 channels, far from zero where `offset` is."""
    return [torch.randn(images, 3, 4, 4) + offset, torch.randn(images, 4, 2, 2) * 2 + offset]


def joined(features: list[torch.Tensor]) -> np.ndarray:
    """(N, 7, 4, 4): the smaller layer's places repeated."""
    first, second = (each.numpy().astype(np.float64) for each in features)
    return np.concatenate([first, second.repeat(2, axis=2).repeat(2, axis=3)], axis=1)


@pytest.mark.parametrize("channels", [7, 5])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_distances_are_mahalanobis_s(channels: int, offset: float) -> None:
    torch.manual_seed(0)
    normal, asked = layers(11, offset), layers(3, offset)
    # In batches of unequal size, which must make no difference.
    model = padim([[each[:8] for each in normal], [each[8:] for each in normal]], channels, seed=0)
    chosen = model.channels.numpy()
    assert len(set(chosen)) == channels and set(chosen) <= set(range(7))
    seen, new = joined(normal)[:, chosen], joined(asked)[:, chosen]
    expected = np.empty((3, 1, 4, 4))
    for row in range(4):
        for column in range(4):
            covariance = np.cov(seen[:, :, row, column], rowvar=False) + 0.01 * np.eye(channels)
            away = new[:, :, row, column] - seen[:, :, row, column].mean(axis=0)
            expected[:, 0, row, column] = np.sqrt(np.einsum("bc,cd,bd->b", away, np.linalg.inv(covariance), away))
    np.testing.assert_allclose(model(asked).numpy(), expected, rtol=2e-3 if offset else 1e-4)


def test_a_single_image_has_no_covariance_but_a_mean() -> None:
    one = layers(1)
    model = padim([one], 7, seed=0)
    assert model(one).max() < 1e-2
    moved = model([one[0] + 0.3, one[1]])
    torch.testing.assert_close(moved, torch.full_like(moved, (3 * 0.3**2 / 0.01) ** 0.5), rtol=1e-3, atol=0)


def test_the_seed_draws_the_channels() -> None:
    normal = layers(4)
    drawn = {tuple(padim([normal], 3, seed).channels.tolist()) for seed in range(8)}
    assert len(drawn) > 1
    assert torch.equal(padim([normal], 3, 0).channels, padim([normal], 3, 0).channels)


def test_more_channels_than_there_are() -> None:
    with pytest.raises(LeanetError, match=r"^map\.channels=8: the layers have 7 channels together$"):
        padim([layers(2)], 8, seed=0)
