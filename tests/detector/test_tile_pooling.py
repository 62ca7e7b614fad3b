import pytest
import torch

from leanet.detector.tile_pooling import TilePooling


def logits(*evidence: float) -> torch.Tensor:
    """The logits (1, T, 2) of tiles, of which each has this evidence for anomalous."""
    values = torch.tensor(evidence, dtype=torch.float32)
    return torch.stack([-values, values], dim=1)[None]


def evidence(pooled: torch.Tensor) -> float:
    return float((pooled[0, 1] - pooled[0, 0]) / 2)


def test_max_is_the_most_anomalous_tile_and_top_the_mean_of_several() -> None:
    tiles = logits(-3, 4, 1, -2, 2)
    assert evidence(TilePooling("max", 3)(tiles)) == 4
    assert evidence(TilePooling("top", 3)(tiles)) == pytest.approx((4 + 2 + 1) / 3)
    assert evidence(TilePooling("top", 3)(logits(4, 1))) == 2.5  # fewer tiles: all of them


def test_learned_starts_as_top_and_weighs_places() -> None:
    pooling = TilePooling("learned", 2)
    assert evidence(pooling(logits(1, 5, 3))) == 4
    with torch.no_grad():
        pooling.weights.copy_(torch.tensor([2.0, -1.0]))
        pooling.bias.fill_(0.5)
    assert evidence(pooling(logits(1, 5, 3))) == 2 * 5 - 3 + 0.5


def test_the_order_of_tiles_has_no_effect() -> None:
    tiles = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(0))
    turned = tiles[:, torch.randperm(9, generator=torch.Generator().manual_seed(1))]
    for kind in ("max", "top", "learned"):
        torch.testing.assert_close(TilePooling(kind, 4)(tiles), TilePooling(kind, 4)(turned))


def test_only_the_tiles_that_decide_get_gradients() -> None:
    tiles = logits(-3, 4, 1).requires_grad_()
    TilePooling("max", 1)(tiles)[0, 1].backward()
    assert tiles.grad is not None and tiles.grad.ne(0).any(dim=2).tolist() == [[False, True, False]]
