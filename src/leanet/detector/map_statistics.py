"""Statistics of an anomaly map."""

from collections.abc import Callable

from torch import Tensor


def q99(values: Tensor) -> Tensor:
    """The 99 % quantile of each row, (B, P) → (B,): at most 1 % of the values are above it."""
    return values.topk(values.shape[1] // 100 + 1, dim=1).values[:, -1]


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {  # each (B, P) → (B,)
    "mean": lambda values: values.mean(dim=1),
    "max": lambda values: values.amax(dim=1),
    "q99": q99,
}
