"""What a configuration's networks are: modules, sizes, parameters and multiply-adds, by Lightning's ModelSummary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import lightning
import torch
from lightning.pytorch.utilities.model_summary.model_summary import ModelSummary
from tabulate import tabulate
from torch import Tensor, nn

from leanet.colorizer.network import Colorizer
from leanet.detector.caan import Caan, ExternalNetwork, TimmCaan
from leanet.detector.catalogue import is_channels_last
from leanet.detector.frozen import RGB, Frozen
from leanet.detector.inputs import CHANNELS
from leanet.detector.lea_net import LeaNet
from leanet.detector.points import POINTS, Names
from leanet.errors import LeanetError

Network = TypeVar("Network", bound=nn.Module)
Shape = tuple[int, ...]

MOST_ROWS = 40  # of a table of modules; a network with more is shown down to the depth at which it has fewer
NOTHING = "-"
SIZES = ("network", "trainable", "with statistics", "GMACs", "GFLOPs")
MODULES = ("module", "type", "output", "with statistics", "MMACs", "point")
FIVE = ("point", "ADN module", "ADN's features", "CAAN module", "CAAN's features", "attention map")
NOTES = """\
With statistics: also counts frozen parameters and batch norm's running means and variances, as Keras does. GMACs: \
billions of multiply-adds, which is what most articles call FLOPs; in GFLOPs, each counts as two. One image, one \
forward pass; convolutions, dense layers and matrix products are counted."""


def without_memory(make: Callable[[], Network]) -> Network:
    """The network that `make` returns, on the meta device: shapes without numbers."""
    try:
        with torch.device("meta"):
            return make()
    except Exception:  # some networks read numbers while they are built; a real mistake is raised again here
        return make().to("meta")


@dataclass(frozen=True)
class Count:
    """Numbers in a network: trainable ones, and all with frozen ones and batch norm's running means and variances."""

    trainable: int
    with_statistics: int

    def __add__(self, other: "Count") -> "Count":
        return Count(self.trainable + other.trainable, self.with_statistics + other.with_statistics)


def count(network: object) -> Count:
    """The numbers in `network`; none for an external network that is a function and no module."""
    if not isinstance(network, nn.Module):
        return Count(0, 0)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    frozen = sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)
    statistics = sum(b.numel() for n, b in network.named_buffers() if n.endswith(("running_mean", "running_var")))
    return Count(trainable, trainable + frozen + statistics)


class _Example(lightning.LightningModule):
    """A network with an example of its input, for ModelSummary."""

    def __init__(self, network: nn.Module, *inputs: Any) -> None:
        super().__init__()
        self.network = network
        self.example_input_array = inputs

    def forward(self, *inputs: Any) -> Any:
        return self.network(*inputs)


class Part:
    """One network of a configuration, on the meta device.

    Args:
        kind: ADN, CAAN or colorizer.
        network: as it is, in evaluation mode.
        inputs: an example of its input.
        points: names of its modules at the five attention points; None where it has no such features.
        regression: what is trained in place of a frozen network.
    """

    def __init__(
        self,
        kind: str,
        network: nn.Module,
        inputs: Sequence[Any],
        points: Names = (None,) * POINTS,
        regression: nn.Module | None = None,
    ) -> None:
        self.kind = kind
        self.network = network.eval()
        self.points = points
        self.count = count(network) + count(regression)
        self._summary = ModelSummary(_Example(network, *inputs).to("meta"), max_depth=-1)
        self._shapes: dict[str, Any] = dict(zip(self._summary.layer_names, self._summary.out_sizes, strict=True))

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward pass."""
        return int(self._summary.total_flops) // 2

    def features(self, point: int) -> Shape | None:
        """(h, w, channels) of the features at `point`; None where the network has none, or none that are maps."""
        shape = self._shape(self.points[point - 1] or "")
        return shape if len(shape) == 3 else None

    def rows(self, chosen: Sequence[int] = ()) -> list[list[str]]:
        """A row for each module, down to the depth at which they fit `MOST_ROWS`; columns as in `MODULES`.

        Args:
            chosen: points that are marked.
        """
        reached = {name: _marked(point, chosen) for point, name in enumerate(self.points, start=1) if name}
        modules = dict(self.network.named_modules())
        depth = 1
        while len(self._ran(depth + 1)) > len(self._ran(depth)) and len(self._ran(depth + 1)) <= MOST_ROWS:
            depth += 1
        return [
            [
                name,
                _types(modules[name]),
                _dims(self._shape(name)),
                f"{count(modules[name]).with_statistics:,}",
                f"{sum(self._summary.flop_counts[f'network.{name}'].values()) / 2e6:.3f}",
                reached.get(name, ""),
            ]
            for name in self._ran(depth)
        ]

    def _ran(self, depth: int) -> list[str]:
        """Names of the modules that gave one tensor, in the order in which they are defined."""
        modules = dict(self.network.named_modules())
        names = [name for name in modules if name and _depth(name) <= depth and self._shape(name)]
        return [name for name in names if not _is_short(modules[name.rpartition(".")[0]])]

    def _shape(self, name: str) -> Shape:
        """(h, w, channels), or (features,) of a vector; empty for what is no tensor."""
        found = self._shapes.get(f"network.{name}")
        if not isinstance(found, list) or not all(isinstance(side, int) for side in found):
            return ()
        shape = found[1:]  # without the batch
        if len(shape) == 3 and not is_channels_last(self.network):
            shape = [*shape[1:], shape[0]]
        return tuple(shape)


def adn_part(network: LeaNet, image_size: int) -> Part:
    """The ADN of a LEA-Net on the meta device."""
    adn = network.adn
    channels = RGB if isinstance(adn, Frozen) else CHANNELS[network.sees]  # a frozen network itself sees no map
    regression = adn.regression if isinstance(adn, Frozen) else None
    return Part("ADN", adn.network, [_zeros(channels, image_size)], adn.points, regression)


def caan_part(caan: ExternalNetwork | None, image_size: int) -> Part | None:
    """The CAAN, on the meta device; None where there is none, or one without parameters."""
    maps = _zeros(1, image_size)
    if isinstance(caan, TimmCaan):
        return Part("CAAN", caan.network, [maps], caan.points)
    if isinstance(caan, Caan):
        return Part("CAAN", caan, [maps, [POINTS]], tuple(f"blocks.{place}" for place in range(POINTS)))
    if isinstance(caan, nn.Module) and any(True for _ in caan.parameters()):
        return Part("CAAN", caan, [maps, [POINTS]])
    return None


def colorizer_part(colorizer: Colorizer, image_size: int) -> Part:
    """The colorizer, on the meta device."""
    return Part("colorizer", colorizer, [_zeros(len(range(3)[colorizer.sees]), image_size)])


def describe(
    network: LeaNet, colorizer: Colorizer | None, image_size: int, names: Mapping[str, str], weights: str = ""
) -> str:
    """The whole page, in Markdown.

    Args:
        network: on the meta device.
        colorizer: on the meta device; None where no colorizer makes the maps.
        image_size: S.
        names: of ADN, CAAN and colorizer.
        weights: a table of the pretrained weights.

    Raises:
        LeanetError: the attention cannot enter at the chosen point.
    """
    found = [adn_part(network, image_size), caan_part(network.caan, image_size)]
    found += [colorizer_part(colorizer, image_size)] if colorizer is not None else []
    parts = {f"{part.kind} {names[part.kind]}": part for part in found if part}
    with torch.no_grad():  # a module may give something that the attention cannot act on
        network.eval()(_zeros(3, image_size), _zeros(1, image_size))
    sections = [
        sizes_table(parts),
        NOTES,
        *(["## Pretrained weights", weights] if weights else []),
        "## The five attention points",
        points_table(network, image_size),
        *([_regression(network.adn)] if isinstance(network.adn, Frozen) else []),
    ]
    for title, part in reversed(parts.items()):
        chosen = _chosen(network) if part.kind != "colorizer" else ()
        sections += [f"## {title[0].upper()}{title[1:]}", _markdown(part.rows(chosen), MODULES)]
    return "\n\n".join(sections)


def sizes_table(parts: Mapping[str, Part]) -> str:
    """Parameters and multiply-adds of the networks by their names; ADN and CAAN also together."""
    rows = [[name, *_figures([part])] for name, part in parts.items()]
    both = [part for part in parts.values() if part.kind in ("ADN", "CAAN")]
    if len(both) == 2:
        rows.insert(2, ["ADN and CAAN", *_figures(both)])
    return _markdown(rows, SIZES)


def _figures(parts: Sequence[Part]) -> list[str]:
    counted, macs = sum((part.count for part in parts), Count(0, 0)), sum(part.macs for part in parts)
    return [f"{counted.trainable:,}", f"{counted.with_statistics:,}", f"{macs / 1e9:.3f}", f"{2 * macs / 1e9:.3f}"]


def points_table(network: LeaNet, image_size: int) -> str:
    """The five attention points: the features of both networks there, and the attention map as it arrives."""
    adn, caan = adn_part(network, image_size), caan_part(network.caan, image_size)
    rows = []
    for point in range(1, POINTS + 1):
        features, module = adn.features(point), caan.points[point - 1] if caan else None
        row = [_marked(point, _chosen(network)), adn.points[point - 1] or NOTHING]
        row += [_dims(features) if features else f"none of S/{2**point}", module or NOTHING]
        row += [_dims(caan.features(point) if caan else None), _arriving(network.caan, point, features, image_size)]
        rows.append(row)
    if network.caan is None:  # the other columns would be empty
        return _markdown([row[:3] for row in rows], FIVE[:3])
    return _markdown(rows, FIVE)


def _chosen(network: LeaNet) -> Sequence[int]:
    """The points of the attention, or those whose features a frozen network's regression uses."""
    return network.adn.network.stages if isinstance(network.adn, Frozen) else network.points


def _regression(adn: Frozen) -> str:
    return (
        f"The network is frozen. ← marks the points whose features are used: their means over the image, "
        f"{adn.regression.linear.in_features} numbers, go into a logistic regression, which alone is trained."
    )


def _arriving(caan: ExternalNetwork | None, point: int, features: Shape | None, image_size: int) -> str:
    """The size of the attention map at `point`, and the one it is resized from."""
    if caan is None or features is None:
        return NOTHING
    try:
        with torch.no_grad():
            size = tuple(caan(_zeros(1, image_size), [point])[0][0].shape[-2:])
    except LeanetError:  # the CAAN has no such point
        return NOTHING
    return _dims(size) if size == features[:2] else f"{_dims(features[:2])}, resized from {_dims(size)}"


def _zeros(channels: int, size: int) -> Tensor:
    return torch.zeros(1, channels, size, size, device="meta")


def _depth(name: str) -> int:
    """How deep a module is; its place in a list of modules, which is no module itself, is not a level."""
    return sum(not word.isdigit() for word in name.split(".")) or 1


def _types(module: nn.Module) -> str:
    """A module's type; of a short sequence those of its layers, as in Table 9: Conv2d – BatchNorm2d – LeakyReLU."""
    named = module.children() if _is_short(module) else [module]
    return " – ".join(type(each).__name__.lstrip("_") for each in named)


def _is_short(module: nn.Module) -> bool:
    """Whether it is a few layers in sequence, which one row tells."""
    layers = list(module.children())
    is_flat = not any(True for layer in layers for _ in layer.children())
    return isinstance(module, nn.Sequential) and len(layers) <= 4 and is_flat


def _marked(point: int, chosen: Sequence[int]) -> str:
    return f"{point} ←" if point in chosen else str(point)


def _dims(shape: Shape | None) -> str:
    return " × ".join(str(side) for side in shape or ()) or NOTHING


def _markdown(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    right = {"MMACs", *SIZES[1:]}
    align = ["right" if name in right else "left" for name in headers]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)
