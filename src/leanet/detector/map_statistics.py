"""Figures of an anomaly map over its image."""

from collections.abc import Callable

from torch import Tensor


def q99(values: Tensor) -> Tensor:
    """(B, P) → (B,): the largest of the values that no more than a hundredth of an image's lie above."""
    return values.topk(values.shape[1] // 100 + 1, dim=1).values[:, -1]


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {  # each (B, P) → (B,)
    "mean": lambda values: values.mean(dim=1),
    "max": lambda values: values.amax(dim=1),
    "q99": q99,
}
