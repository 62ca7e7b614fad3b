import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from leanet.detector.adn import Adn, basic_cnn
from leanet.detector.caan import DirectAttention, mobilenet_caan
from leanet.detector.features import attended_features
from leanet.detector.lea_net import LeaNet
from leanet.detector.task import DetectorTask


def batch(size: int, rows: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (rows, 3, size, size), dtype=torch.uint8, generator=generator)
    return {"images": images, "maps": torch.rand(rows, 1, size, size).half(), "scales": torch.rand(rows) + 0.5}


def test_before_and_after_by_hand_on_two_convolutions() -> None:
    """f is computed from the first convolution's weights, and M from the map, without any hook."""
    first, second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)
    network = nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    task = DetectorTask(LeaNet(Adn(network, ("0",) * 5), DirectAttention(), 1), lr=1e-3)
    given = batch(8)
    found = attended_features(task, given)
    features = torch.einsum("kc,bchw->bkhw", first.weight[:, :, 0, 0], given["images"] / 255)
    features = features + first.bias[:, None, None]
    maps = given["maps"].float() * given["scales"][:, None, None, None]
    small = interpolate(maps, size=tuple(found.attention.shape[-2:]), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.attention, torch.sigmoid(small)[:, 0])
    weights = interpolate(found.attention[:, None], size=(8, 8), mode="bilinear")
    torch.testing.assert_close(found.before, features.mean(1))
    torch.testing.assert_close(found.after, (features * (1 + weights)).mean(1))


@pytest.mark.parametrize("point", [1, 2, 3, 4, 5])
def test_every_point_of_a_lea_net(point: int) -> None:
    task = DetectorTask(LeaNet(basic_cnn(3, 64), mobilenet_caan(), point), lr=1e-3).train()
    given = batch(64)
    found = attended_features(task, given)
    assert found.before.shape == (3, 64 >> point, 64 >> point) and task.training
    torch.testing.assert_close(found.after, found.before * (1 + found.attention))
    blocks = task.eval().network.adn.network[:point]
    with torch.no_grad():
        torch.testing.assert_close(found.before, blocks(given["images"] / 255).mean(1))
        output = task(given)
        again = task(given)  # no hook is left behind
    torch.testing.assert_close(output.attention[:, 0], found.attention)
    torch.testing.assert_close(output.adn, again.adn)


def test_channels_may_come_last() -> None:
    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.movedim(1, -1)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.dense = Last(), nn.Linear(3, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.dense(self.last(images).mean((1, 2)))

    network = LeaNet(Adn(Net(), ("last",) * 5), DirectAttention(), 1)
    network.entrances[-1].channels_last = True
    given = batch(8)
    found = attended_features(DetectorTask(network, lr=1e-3), given)
    torch.testing.assert_close(found.before, (given["images"] / 255).mean(1))
    assert found.after.shape == (3, 8, 8) and bool((found.after >= found.before).all())


def test_without_attention_there_is_nothing_to_show() -> None:
    with pytest.raises(ValueError, match="without attention"):
        attended_features(DetectorTask(LeaNet(basic_cnn(3, 32)), lr=1e-3), batch(32))
