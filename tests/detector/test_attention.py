import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from leanet.detector.adn import basic_cnn
from leanet.detector.attention import Attention, ExternalAttention, attend
from leanet.detector.caan import mobilenet_caan
from leanet.detector.lea_net import LeaNet
from leanet.errors import LeanetError

Values = NDArray[np.float64]


def test_equation_2() -> None:
    features = torch.randn(2, 5, 3, 4)
    expected = 1 / (1 + np.exp(-features.numpy().mean(axis=1, keepdims=True)))
    np.testing.assert_allclose(Attention()(features), expected, rtol=1e-6)


def test_equation_3() -> None:
    features, attention = torch.randn(2, 5, 3, 4), torch.rand(2, 1, 3, 4)
    expected = features.numpy().copy()
    for channel in range(5):
        expected[:, channel] *= 1 + attention.numpy()[:, 0]
    np.testing.assert_allclose(attend(features, attention), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [4, 32])
def test_maps_of_another_size_are_resized(size: int) -> None:
    attention = torch.linspace(0, 1, size).repeat(2, 1, size, 1)
    out = attend(torch.ones(2, 3, 8, 8), attention)
    assert out.shape == (2, 3, 8, 8)
    torch.testing.assert_close(out.mean(), torch.tensor(1.5))
    assert (out.diff(dim=-1) >= 0).all()


def test_the_named_module_obeys_and_the_others_do_not() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    attention = ExternalAttention(network, "1")
    images, maps = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)
    with attention.using(maps):
        found = network(images)
    torch.testing.assert_close(found, network[2]((1 + maps) * network[1](network[0](images))))
    plain = network[2](network[1](network[0](images)))
    torch.testing.assert_close(network(images), plain)


def test_a_copy_obeys_its_own_attention() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Identity())
            self.attention = ExternalAttention(self.network, "0")

    original = Both()
    other = copy.deepcopy(original)
    images = torch.ones(1, 1, 2, 2)
    with other.attention.using(torch.ones(1, 1, 2, 2)):
        assert (other.network(images) == 2).all()
        assert (original.network(images) == 1).all()


class Passing(nn.Module):
    """Gives its input, slowly enough for other threads to come in between."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        time.sleep(0.001)
        return features


def test_threads_use_their_own_attention() -> None:
    network = nn.Sequential(Passing(), Passing())
    attention, images = ExternalAttention(network, "0"), torch.ones(1, 1, 2, 2)

    def multiplied(value: int) -> float:
        if value == 0:
            return float(network(images).max())
        with attention.using(torch.full((1, 1, 2, 2), float(value))):
            return float(network(images).max())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(multiplied, [*range(8)] * 20)) == [*range(1, 9)] * 20


def test_a_compiled_or_pickled_network_obeys() -> None:
    network = LeaNet(basic_cnn(3, 32), mobilenet_caan(), [2, 3]).eval()
    images, maps = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    expected = network(images, maps).adn
    torch.testing.assert_close(pickle.loads(pickle.dumps(network))(images, maps).adn, expected)
    torch.testing.assert_close(torch.compile(network, backend="eager", fullgraph=True)(images, maps).adn, expected)


def test_a_wrong_name_lists_the_modules() -> None:
    with pytest.raises(ValueError, match="no module 'layer9'; it has 0, 1"):
        ExternalAttention(nn.Sequential(nn.ReLU(), nn.ReLU()), "layer9")


class Swapped(nn.Module):
    """(B, C, H, W) → (B, H, W, C)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.movedim(1, -1)


def test_features_with_channels_last() -> None:
    network = nn.Sequential(Swapped(), nn.Linear(3, 2))
    attention = ExternalAttention(network, "0", channels_last=True)
    images, maps = torch.rand(2, 3, 8, 6), torch.rand(2, 1, 8, 6)
    with attention.using(maps):
        found = network(images)
    torch.testing.assert_close(found, network[1](((1 + maps) * images).movedim(1, -1)))


def test_a_module_that_gives_no_maps() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU())
    attention, maps = ExternalAttention(network, "0"), torch.rand(2, 1, 2, 2)
    with (
        pytest.raises(LeanetError, match=r"gives no maps \(B, C, H, W\) but \(2, 12\)"),
        attention.using(maps),
    ):
        network(torch.rand(2, 3, 2, 2))


@pytest.mark.parametrize("times", [0, 2])
def test_a_module_that_does_not_run_once(times: int) -> None:
    class Often(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.activation = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            for _ in range(times):
                images = self.activation(images)
            return images

    network = Often()
    attention, maps = ExternalAttention(network, "activation"), torch.rand(1, 1, 2, 2)
    told = f"module activation ran {times} times in one pass"
    with pytest.raises(LeanetError, match=told), attention.using(maps):
        network(torch.rand(1, 3, 2, 2))


VARIANTS: dict[str, dict[str, Any]] = {
    "standardized": {"standardized": True},
    "centred": {"centred": True},
    "gain": {"learned_gain": True, "gain": 3.0},
    "tanh": {"squash": "tanh"},
    "linear": {"squash": "none"},
    "max": {"reduce": "max"},
    "conv": {"reduce": "conv", "channels": 5},
    "all": {"reduce": "conv", "channels": 5, "standardized": True, "squash": "tanh", "centred": True, "gain": 2.0},
}


def by_numpy(
    features: Values,
    reduce: str = "mean",
    standardized: bool = False,
    squash: str = "sigmoid",
    centred: bool = False,
    gain: float = 1.0,
    **_: Any,
) -> Values:
    """What the equations of docs/attention.md say, in NumPy and double precision."""
    maps = features.max(1) if reduce == "max" else features.mean(1)  # a convolution begins as the mean
    if standardized:
        maps = (maps - maps.mean((1, 2), keepdims=True)) / maps.std((1, 2), keepdims=True)
    maps = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "none": lambda z: z}[squash](maps)
    return gain * (maps - maps.mean((1, 2), keepdims=True) if centred else maps)[:, None]


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_variants_are_what_their_equations_say(options: dict[str, Any]) -> None:
    features = torch.randn(4, 5, 6, 7)
    found = Attention(**options)(features).detach()
    assert found.shape == (4, 1, 6, 7)
    np.testing.assert_allclose(found, by_numpy(features.double().numpy(), **options), rtol=1e-3, atol=1e-5)


def test_the_default_is_equation_2_to_the_last_bit_and_learns_nothing() -> None:
    features = torch.randn(4, 5, 6, 7)
    for given in (features, features.half(), features.bfloat16(), features.to(memory_format=torch.channels_last)):
        assert torch.equal(Attention()(given), torch.sigmoid(given.mean(dim=1, keepdim=True)))
    assert not Attention().state_dict()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("size", [(1, 1), (4, 4)])
def test_a_constant_map_gives_finite_numbers_and_gradients(options: dict[str, Any], size: tuple[int, int]) -> None:
    features = torch.full((2, 5, *size), 3.0, requires_grad=True)
    attention = Attention(**options)
    (attention(features) ** 2).sum().backward()
    assert attention(features).isfinite().all() and features.grad is not None and features.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in attention.parameters())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_what_varies(kind: torch.dtype) -> None:
    """A map that varies by .01 about .5, where bfloat16 has steps of .004."""
    features = 0.04 * torch.randn(2, 5, 8, 8).to(kind)
    exact = Attention(centred=True)(features.double())
    torch.testing.assert_close(Attention(centred=True)(features).double(), exact, rtol=0.02, atol=3e-5)


def test_a_learned_gain_learns() -> None:
    attention = Attention(learned_gain=True, gain=2.0)
    features = torch.randn(2, 5, 4, 4)
    attention(features).sum().backward()
    (gain,) = attention.parameters()
    torch.testing.assert_close(gain.grad, Attention()(features).sum())
