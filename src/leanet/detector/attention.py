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
    """Eq. 3: (1 ⊕ M) ⊗ f. `attention` (B, 1, h, w) is resized bilinearly where the features (B, C, H, W) differ."""
    return features * (1 + resized(attention, features.shape[-2:]))


def resized(maps: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Maps (B, 1, h, w) at another size: bilinear, antialiased where it shrinks them; the same object if it fits."""
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
    """(B, 1, h, w) → (B,), the SD over h and w: 0 is an attention that is the same everywhere, a mere gain."""
    return attention.float().std((1, 2, 3), correction=0)


class Attention(nn.Module):
    """What is added to one: features (B, C, h, w) of an external network → A (B, 1, h, w).

        z = reduce(F);  z = (z − mean z) / SD z  if standardized;  M = squash(z)
        A = gain · M,  or  gain · (M − mean M)  if centred

    Means and SDs are over h and w, image by image. The defaults are Eq. 2, where A = M in 0…1.

    Args:
        reduce: `mean` (Eq. 2) or `max` over channels (both in CBAM, Woo et al. 2018), or `conv`, a learned 1×1
            convolution (as in scSE, Roy et al. 2018) that begins as the mean.
        standardized: instance normalisation (Ulyanov et al. 2016) of the reduced map.
        squash: `sigmoid` (Eq. 2), `tanh` or `none`.
        centred: whether A has mean 0.
        gain: a factor.
        learned_gain: whether the factor is learned, from `gain` on.
        channels: C; only `conv` must know.
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
        if not self.is_equation_2:  # which stays in the features' precision: bfloat16 has fifteen values in .48 to .52
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
    """A 1×1 convolution that is the mean over the channels until it learns otherwise."""
    if channels is None:
        raise ValueError("reduce=conv needs the number of channels")
    conv = nn.Conv2d(channels, 1, 1)
    nn.init.constant_(conv.weight, 1 / channels)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class _Current(threading.local):
    """The attention that a thread's forward pass uses: no other thread sees it. A copy is empty."""

    maps: Tensor | None = None
    calls = 0

    def __reduce__(self) -> tuple[type["_Current"], tuple[()]]:
        return _Current, ()


class ExternalAttention:
    """Makes one module of a network obey an attention map from outside.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    >>> attention = ExternalAttention(network, "1")
    >>> maps = torch.rand(4, 1, 6, 6)                  # (B, 1, h, w) in 0…1
    >>> with attention.using(maps):
    ...     logits = network(torch.rand(4, 3, 8, 8))   # what module 1 gives is multiplied by 1 + M
    >>> logits.shape
    torch.Size([4, 2])

    Several threads may use one network at the same time, each with its own maps.

    Args:
        network: any network with features as maps.
        module: the name of one of its modules, whose output is (B, C, H, W), or (B, H, W, C) where `channels_last`,
            and which runs once in a forward pass.
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
        point.register_forward_hook(self._multiply, prepend=True)  # so that whatever else looks sees it multiplied

    @contextmanager
    def using(self, maps: Tensor) -> Iterator[None]:
        """LeanetError at the end if the module ran not once: the attention would be missing, or count twice."""
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
