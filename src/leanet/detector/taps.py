"""Access to the outputs of a network's modules during a forward pass."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from leanet.detector.catalogue import is_channels_last


class _Pass(threading.local):
    """The outputs of the current thread's forward pass, unseen by other threads; a copy is empty."""

    features: dict[int, Tensor] | None = None

    def __reduce__(self) -> tuple[type["_Pass"], tuple[()]]:
        return _Pass, ()


class Taps:
    """Collects the features (B, C, h, w) of a network's modules. Several threads can use one network at the same time.

    Args:
        network: any network.
        modules: names of its modules by attention point.
    """

    def __init__(self, network: nn.Module, modules: Mapping[int, str]) -> None:
        self._pass = _Pass()
        self._channels_last = is_channels_last(network)
        for point, name in modules.items():
            network.get_submodule(name).register_forward_hook(partial(self._keep, point))

    @contextmanager
    def open(self) -> Iterator[dict[int, Tensor]]:
        """A context for one forward pass, which fills the dictionary with features by point."""
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
