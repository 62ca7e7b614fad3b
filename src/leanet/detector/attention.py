"""Layer-wise external attention (§3-5): a map from one network multiplies the features of another."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leanet.errors import LeanetError


def attend(features: Tensor, attention: Tensor) -> Tensor:
    """Multiply features by 1 + attention (Eq. 3): (1 ⊕ M) ⊗ f.

    Args:
        features: (B, C, H, W).
        attention: (B, 1, h, w), resized to (H, W) where the sizes differ.

    Returns:
        (B, C, H, W).
    """
    return features * (1 + resized(attention, features.shape[-2:]))


def resized(maps: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Resize maps by bilinear interpolation, with antialiasing where they get smaller.

    Args:
        maps: (B, 1, h, w).
        size: (H, W).

    Returns:
        (B, 1, H, W); `maps` itself if it has that size.
    """
    if maps.shape[-2:] == tuple(size):
        return maps
    return interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


_EPSILON = 1e-5  # as in batch and instance normalisation: a map without variance gives 0, and finite gradients
_SQUASHES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "none": torch.positive,
}


def spatial_sd(attention: Tensor) -> Tensor:
    """The SD of each attention map over its positions; 0 if the attention is the same everywhere.

    Args:
        attention: (B, 1, h, w).

    Returns:
        (B,) float32.
    """
    return attention.float().std((1, 2, 3), correction=0)


class Attention(nn.Module):
    """The attention map A (B, 1, h, w) from features F (B, C, h, w) of an external network (§3-5).

        z = reduce(F);  z = (z − mean z) / SD z  if standardized;  M = squash(z)
        A = gain · M,  or  gain · (M − mean M)  if centred

    Means and SDs are over h and w, separately for each image. The defaults give Eq. 2, where A = M in 0…1. Features of
    an ADN are multiplied by 1 + A.

    Args:
        reduce: `mean` (Eq. 2) or `max` over channels (both in CBAM, Woo et al. 2018), or `conv`, a learned 1×1
            convolution (as in scSE, Roy et al. 2018) that begins as the mean.
        standardized: whether the reduced map is instance-normalised (Ulyanov et al. 2016).
        squash: `sigmoid` (Eq. 2), `tanh` or `none`.
        centred: whether A has mean 0.
        gain: factor of A.
        learned_gain: whether the factor is a trained parameter that starts at `gain`.
        channels: C; needed only by `reduce="conv"`.
    """

    def __init__(
        self,
        reduce: str = "mean",
        standardized: bool = False,
        squash: str = "sigmoid",
        centred: bool = False,
        gain: float = 1.0,
        learned_gain: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        self.reduce = reduce
        self.standardized = standardized
        self.squash = _SQUASHES[squash]
        self.centred = centred
        self.gain = nn.Parameter(torch.tensor(float(gain))) if learned_gain else gain
        self.weigh = _mean_of(channels) if reduce == "conv" else None
        given = (reduce, standardized, squash, centred, gain, learned_gain)
        self.is_equation_2 = given == ("mean", False, "sigmoid", False, 1, False)

    def forward(self, features: Tensor) -> Tensor:
        reduced = self._reduced(features)
        if not self.is_equation_2:  # Eq. 2 stays in the features' precision, though bfloat16 has 15 values in .48….52
            reduced = reduced.to(torch.promote_types(reduced.dtype, torch.float32))
        if self.standardized:
            reduced = _centred(reduced) * (reduced.var((-2, -1), correction=0, keepdim=True) + _EPSILON).rsqrt()
        attention = self.squash(reduced)
        return self.gain * (_centred(attention) if self.centred else attention)

    def _reduced(self, features: Tensor) -> Tensor:
        if self.weigh is not None:
            weighed: Tensor = self.weigh(features)
            return weighed
        return features.amax(1, keepdim=True) if self.reduce == "max" else features.mean(1, keepdim=True)


def _centred(maps: Tensor) -> Tensor:
    return maps - maps.mean((-2, -1), keepdim=True)


def _mean_of(channels: int | None) -> nn.Conv2d:
    """A 1×1 convolution that starts as the mean over the channels."""
    if channels is None:
        raise ValueError("reduce=conv needs the number of channels")
    conv = nn.Conv2d(channels, 1, 1)
    nn.init.constant_(conv.weight, 1 / channels)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class _Current(threading.local):
    """The attention maps of the current thread's forward pass, unseen by other threads; a copy is empty."""

    maps: Tensor | None = None
    calls = 0

    def __reduce__(self) -> tuple[type["_Current"], tuple[()]]:
        return _Current, ()


class ExternalAttention:
    """Multiplies the output of one module of a network by 1 + an attention map given from outside.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    >>> attention = ExternalAttention(network, "1")
    >>> maps = torch.rand(4, 1, 6, 6)                  # (B, 1, h, w) in 0…1
    >>> with attention.using(maps):
    ...     logits = network(torch.rand(4, 3, 8, 8))   # the output of module "1" is multiplied by 1 + M
    >>> logits.shape
    torch.Size([4, 2])

    Outside of `using`, the network works as before. Several threads can use one network at the same time, each with its
    own maps.

    Args:
        network: any network whose features are maps.
        module: the name of one of its modules, which runs once in a forward pass.
        channels_last: whether the module's output is (B, H, W, C) and not (B, C, H, W).

    Raises:
        ValueError: the network has no such module.
    """

    def __init__(self, network: nn.Module, module: str, channels_last: bool = False) -> None:
        try:
            point = network.get_submodule(module)
        except AttributeError:
            names = ", ".join(name for name, _ in network.named_modules() if name)
            raise ValueError(f"the network has no module {module!r}; it has {names}") from None
        self.module = module
        self.channels_last = channels_last
        self._current = _Current()
        point.register_forward_hook(self._multiply, prepend=True)  # before other hooks, which see the product

    @contextmanager
    def using(self, maps: Tensor) -> Iterator[None]:
        """A context in which the module's output is multiplied by 1 + `maps`.

        Args:
            maps: (B, 1, h, w), resized to the module's output where the sizes differ.

        Raises:
            LeanetError: the module did not run exactly once, or its output is not a batch of feature maps.
        """
        self._current.maps, self._current.calls = maps, 0
        try:
            yield
        finally:
            self._current.maps = None
        if self._current.calls != 1:
            raise LeanetError(
                f"module {self.module} ran {self._current.calls} times in one pass; name one that runs once"
            )

    def _multiply(self, module: nn.Module, inputs: Any, features: Any) -> Tensor | None:
        maps = self._current.maps
        if maps is None:
            return None
        self._current.calls += 1
        if not isinstance(features, Tensor) or features.ndim != 4:
            shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise LeanetError(f"module {self.module} gives no maps (B, C, H, W) but {shape}; name another")
        if self.channels_last:
            return attend(features.movedim(-1, 1), maps).movedim(1, -1)
        return attend(features, maps)
