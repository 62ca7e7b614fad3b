import numpy as np
import pytest
import torch

from leanet.detector.inputs import CHANNELS, adn_input

IMAGES, MAPS = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)


@pytest.mark.parametrize("kind", CHANNELS)
def test_channels(kind: str) -> None:
    assert adn_input(kind, IMAGES, MAPS).shape == (2, CHANNELS[kind], 8, 8)


def test_each_is_what_its_name_says() -> None:
    assert adn_input("rgb", IMAGES, None) is IMAGES
    assert torch.equal(adn_input("map", IMAGES, MAPS), MAPS)
    four = adn_input("rgb_map", IMAGES, MAPS)
    assert torch.equal(four[:, :3], IMAGES) and torch.equal(four[:, 3:], MAPS)
    expected = IMAGES.numpy() * (1 + MAPS.numpy())  # Eq. 3
    np.testing.assert_allclose(adn_input("attentioned", IMAGES, MAPS), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["map", "rgb_map", "attentioned"])
def test_maps_are_needed(kind: str) -> None:
    with pytest.raises(ValueError, match=f"input={kind} needs anomaly maps"):
        adn_input(kind, IMAGES, None)
