"""The features of some of a network's modules, taken during a forward pass."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from leanet.detector.catalogue import is_channels_last


class _Pass(threading.local):
    """What a thread's forward pass has given so far: no other thread sees it. A copy is empty."""

    features: dict[int, Tensor] | None = None

    def __reduce__(self) -> tuple[type["_Pass"], tuple[()]]:
        return _Pass, ()


class Taps:
    """Takes features (B, C, h, w) of a network's modules; several threads may use one network at the same time.

    Args:
        network: whose modules they are.
        modules: by point, the names of the modules.
    """

    def __init__(self, network: nn.Module, modules: Mapping[int, str]) -> None:
        self._pass = _Pass()
        self._channels_last = is_channels_last(network)
        for point, name in modules.items():
            network.get_submodule(name).register_forward_hook(partial(self._keep, point))

    @contextmanager
    def open(self) -> Iterator[dict[int, Tensor]]:
        """For one forward pass, which fills the dictionary: features by point."""
        found: dict[int, Tensor] = {}
        self._pass.features = found
        try:
            yield found
        finally:
            self._pass.features = None

    def _keep(self, point: int, module: nn.Module, inputs: Any, features: Tensor) -> None:
        found = self._pass.features
        if found is not None:
            found[point] = features.movedim(-1, 1) if self._channels_last else features
