import pytest
import torch

from leanet.detector.caan import Caan, DirectAttention, mobilenet_caan, resnet_caan


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
        attention, logits = caan(torch.rand(2, 1, 64, 64), point)
    assert attention.shape == (2, 1, 64 // 2**point, 64 // 2**point)
    assert attention.min() > 0 and attention.max() < 1
    assert logits is None if make is DirectAttention else logits.shape == (2, 2)


def test_each_point_shows_its_own_block() -> None:
    caan = mobilenet_caan().eval()
    maps = torch.rand(1, 1, 64, 64)
    features = maps
    for point, block in enumerate(caan.blocks, start=1):
        features = block(features)
        torch.testing.assert_close(caan(maps, point)[0], torch.sigmoid(features.mean(1, keepdim=True)))


def test_direct_attention_is_the_sigmoid_of_the_map() -> None:
    maps = torch.full((1, 1, 64, 64), 0.25)
    attention, _ = DirectAttention()(maps, 2)
    torch.testing.assert_close(attention, torch.full((1, 1, 16, 16), 0.25).sigmoid())


def test_relu_as_in_the_authors_code() -> None:
    def has_hard_swish(caan: Caan) -> bool:
        return any(isinstance(module, torch.nn.Hardswish) for module in caan.modules())

    assert has_hard_swish(mobilenet_caan())
    assert not has_hard_swish(mobilenet_caan(hard_swish=False))
