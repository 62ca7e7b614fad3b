"""The networks of a configuration, each after one forward pass without numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import nn

from leanet.colorizer.network import Colorizer
from leanet.detector.caan import Caan, ExternalNetwork, TimmCaan
from leanet.detector.catalogue import is_channels_last
from leanet.detector.frozen import RGB, Frozen
from leanet.detector.inputs import CHANNELS
from leanet.detector.network import LeaNet
from leanet.detector.points import POINTS, Names
from leanet.model.layers import Row, layer_rows
from leanet.model.trace import Shape, Trace, trace

Network = TypeVar("Network", bound=nn.Module)


def without_memory(make: Callable[[], Network]) -> Network:
    """The network that `make` makes, on the meta device: shapes without numbers."""
    try:
        with torch.device("meta"):
            return make()
    except Exception:  # some networks ask for numbers while they are made; what is wrong is told a second time
        return make().to("meta")


@dataclass(frozen=True)
class Count:
    """Numbers in a network: trainable ones, and all with frozen ones and batch norm's running means and variances."""

    trainable: int
    with_statistics: int

    def __add__(self, other: "Count") -> "Count":
        return Count(self.trainable + other.trainable, self.with_statistics + other.with_statistics)


def count(network: object) -> Count:
    """Of anything that is no module, such as a function for an external network, there is nothing to count."""
    if not isinstance(network, nn.Module):
        return Count(0, 0)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    frozen = sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)
    statistics = sum(b.numel() for n, b in network.named_buffers() if n.endswith(("running_mean", "running_var")))
    return Count(trainable, trainable + frozen + statistics)


@dataclass(frozen=True)
class Part:
    """One network of a configuration, after a forward pass.

    Args:
        network: what was traced.
        points: names of the modules at the attention points, None where there is none.
        regression: what is trained in place of a frozen network.
    """

    name: str
    network: nn.Module
    trace: Trace
    points: Names = (None,) * POINTS
    regression: nn.Module | None = None

    @property
    def count(self) -> Count:
        return count(self.network) + count(self.regression)

    @property
    def macs(self) -> int:
        return sum(self.trace.macs.values())

    @cached_property
    def rows(self) -> list[Row]:
        return layer_rows(self.network, self.trace)

    def features(self, point: int) -> Shape | None:
        """(h, w, channels) of the features at `point`; None where the network has none, or none that are maps."""
        shape = self.trace.shapes.get(self.points[point - 1] or "", ((), ()))[1]
        if len(shape) != 4:
            return None
        return shape[1:] if is_channels_last(self.network) else (*shape[2:], shape[1])


def adn_part(network: LeaNet, image_size: int) -> Part:
    """Of a LEA-Net on the meta device, as of the others below."""
    adn = network.adn
    channels = RGB if isinstance(adn, Frozen) else CHANNELS[network.sees]  # a map is not for its network
    images = torch.zeros(1, channels, image_size, image_size, device="meta")
    regression = adn.regression if isinstance(adn, Frozen) else None
    return Part("ADN", adn.network, trace(adn.network.eval(), images), adn.points, regression)


def caan_part(caan: ExternalNetwork | None, image_size: int) -> Part | None:
    """None where there is no CAAN, or one without layers."""
    maps = torch.zeros(1, 1, image_size, image_size, device="meta")
    if isinstance(caan, TimmCaan):
        return Part("CAAN", caan.network, trace(caan.network.eval(), maps), caan.points)
    if isinstance(caan, Caan):
        points = tuple(f"blocks.{place}" for place in range(POINTS))
        return Part("CAAN", caan, trace(caan.eval(), maps, [POINTS]), points)
    if isinstance(caan, nn.Module) and any(True for _ in caan.parameters()):
        return Part("CAAN", caan, trace(caan.eval(), maps, [POINTS]))
    return None


def colorizer_part(colorizer: Colorizer, image_size: int) -> Part:
    channels = len(range(3)[colorizer.sees])
    seen = torch.zeros(1, channels, image_size, image_size, device="meta")
    return Part("colorizer", colorizer, trace(colorizer.eval(), seen))
