from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from leanet.detector.attention import Attention
from leanet.detector.caan import Caan, DirectAttention, channels_at, mobilenet_caan, resnet_caan, timm_caan


def counts(network: torch.nn.Module) -> tuple[int, int]:
    """Numbers in all (batch-norm statistics included), and trainable ones."""
    trainable = sum(parameter.numel() for parameter in network.parameters())
    return trainable + sum(b.numel() for b in network.buffers() if b.is_floating_point()), trainable


def test_table_1() -> None:
    # The paper's 3.042M, and what the authors' networks were counted to have.
    assert counts(mobilenet_caan()) == (3_041_906, 3_029_762)
    assert counts(resnet_caan()) == (4_905_602, 4_901_634)


@pytest.mark.parametrize("make", [mobilenet_caan, resnet_caan, DirectAttention])
@pytest.mark.parametrize("point", [1, 2, 3, 4, 5])
def test_sizes_at_the_points(make: type, point: int) -> None:
    caan = make().eval()
    with torch.no_grad():
        (features,), logits = caan(torch.rand(2, 1, 64, 64), [point])
    assert features.shape == (2, *channels_at(caan, [point], 64), 64 // 2**point, 64 // 2**point)
    assert logits is None if make is DirectAttention else logits.shape == (2, 2)


def test_each_point_shows_its_own_block() -> None:
    caan = mobilenet_caan().eval()
    maps = torch.rand(1, 1, 64, 64)
    features = maps
    for point, block in enumerate(caan.blocks, start=1):
        features = block(features)
        torch.testing.assert_close(caan(maps, [point])[0][0], features)


def test_direct_attention_is_the_sigmoid_of_the_map() -> None:
    maps = torch.full((1, 1, 64, 64), 0.25)
    (features,), _ = DirectAttention()(maps, [2])
    torch.testing.assert_close(Attention()(features), torch.full((1, 1, 16, 16), 0.25).sigmoid())


def test_counting_channels_leaves_the_network_as_it_is() -> None:
    caan = mobilenet_caan()
    before = {name: value.clone() for name, value in caan.state_dict().items()}
    assert channels_at(caan, range(1, 6), 64) == [16, 16, 24, 48, 96]
    assert caan.training and all(torch.equal(before[name], value) for name, value in caan.state_dict().items())
    assert channels_at(lambda maps, points: ([maps.repeat(1, 7, 1, 1)], None), [1], 32) == [7]  # no module at all


def test_relu_as_in_the_authors_code() -> None:
    def has_hard_swish(caan: Caan) -> bool:
        return any(isinstance(module, torch.nn.Hardswish) for module in caan.modules())

    assert has_hard_swish(mobilenet_caan())
    assert not has_hard_swish(mobilenet_caan(hard_swish=False))


def test_threads_get_their_own_features_of_a_network_of_timm_s() -> None:
    caan = timm_caan("resnet10t", 32).eval()

    @torch.inference_mode()
    def features_of(maps: torch.Tensor) -> torch.Tensor:
        return caan(maps, [2])[0][0]

    inputs = list(torch.rand(40, 1, 1, 32, 32))
    expected = [features_of(maps) for maps in inputs]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(features_of, inputs), expected, strict=True):
            torch.testing.assert_close(found, alone)
