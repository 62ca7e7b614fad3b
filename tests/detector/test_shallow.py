"""The features by which images are compared: of every kind of ADN, from the pass that classifies."""

import pytest
import torch
from skimage.color import rgb2lab

from leanet.detector.adn import basic_cnn, timm_adn
from leanet.detector.baselines import lab_statistics, map_score
from leanet.detector.frozen import frozen
from leanet.detector.shallow import ShallowFeatures

IMAGES = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("adn", "count"),
    [
        (basic_cnn(3, 64), 6 + 128),
        (frozen("test_resnet", 3, 64), 6 + 32),
        (timm_adn("test_convnext", 3, 64), 6 + 24),  # starts with a stride of 4
        (lab_statistics(3, 64), 6),
    ],
)
def test_features_of_every_adn(adn: torch.nn.Module, count: int) -> None:
    shallow = ShallowFeatures(adn.eval())
    with torch.inference_mode(), shallow.open() as seen:
        alone = adn(IMAGES / 255)
        found = shallow.of(IMAGES, seen)
    assert found.shape == (3, count)
    torch.testing.assert_close(alone, adn(IMAGES / 255))  # the hook changes nothing
    assert bool((found.std(0) > 0).any())


def test_colours_are_those_of_a_grid_of_pixels() -> None:
    shallow = ShallowFeatures(map_score(1, 64))
    with shallow.open() as seen:
        found = shallow.of(IMAGES, seen)
    lab = rgb2lab(IMAGES[..., ::2, ::2].movedim(1, -1).numpy() / 255).reshape(3, -1, 3)
    expected = torch.tensor([*map(list, zip(*lab.mean(1).T, *lab.std(1).T, strict=True))], dtype=torch.float32)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-2)
