"""A network's layers as rows of a table, with the columns of the paper's Table 9."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from leanet.detector.catalogue import is_channels_last
from leanet.model.trace import Layer, Shape, Trace, is_layer

READABLE = 40  # rows; a network of more layers is told block by block
NOTHING = "-"

_WORDS = {  # the paper's, by how the class's name begins
    "Linear": "Dense",
    "BatchNorm": "BN",
    "LayerNorm": "LN",
    "GroupNorm": "GN",
    "AdaptiveAvgPool": "average pool",
    "MaxPool": "max pool",
}


@dataclass
class Row:
    """One line: a layer, or a block of layers.

    Args:
        names: of its modules; none for a sum or a concatenation.
        macs: multiply-adds for one image.
        layers: those that it stands for.
    """

    layer: str
    names: Sequence[str] = ()
    size: str = NOTHING
    kernel: str = NOTHING
    stride: str = NOTHING
    filters: str = NOTHING
    activation: str = NOTHING
    parameters: int = 0
    macs: int = 0
    layers: Sequence[Layer] = field(default=(), repr=False)


def layer_rows(network: nn.Module, trace: Trace, readable: int = READABLE) -> list[Row]:
    """The input, and what `network` did in `trace`: layer by layer if that fits into `readable` rows, else by blocks.

    Blocks are the outermost modules that are no mere sequence, or those one step within, and so on, as deep as fits.
    Parameters and multiply-adds of all rows add up to the network's.
    """
    modules = dict(network.named_modules())
    level = 1
    groups = _groups(modules, trace.layers, level)
    while any(key for key, _ in groups):
        finer = _groups(modules, trace.layers, level + 1)
        if len(finer) >= readable:
            break
        groups, level = finer, level + 1
    rows = [Row("Input", size=_size(trace.input[2:]))]
    numbers = {-1: 1}
    places = {id(layer): place for place, layer in enumerate(trace.layers)}
    for key, layers in groups:
        numbers |= {places[id(layer)]: len(rows) + 1 for layer in layers}
        made = _block(network, modules[key], key, layers, trace) if key else _single(network, layers[0], numbers)
        rows.append(made)
    return _with_sums(network, trace, rows)


def is_by_layer(rows: Sequence[Row]) -> bool:
    """Whether no row stands for more than one layer."""
    return all(len(row.layers) <= 1 for row in rows)


def place_of(rows: Sequence[Row], module: str) -> int | None:
    """The index of the row in which `module` gives its output; None if it is in none."""
    found = None
    for place, row in enumerate(rows):
        names = [*row.names, *(layer.within for layer in row.layers if layer.kind)]
        if any(f"{name}.".startswith(f"{module}.") for name in names) or _owner(dict.fromkeys(row.names, row), module):
            found = place
    return found


def _groups(modules: Mapping[str, nn.Module], layers: Iterable[Layer], level: int) -> list[tuple[str, list[Layer]]]:
    """Consecutive layers of the same block, with its name; a layer outside of blocks alone, with an empty name."""
    groups: list[tuple[str, list[Layer]]] = []
    for layer in layers:
        key = _block_of(modules, layer.within, level)
        if key and groups and groups[-1][0] == key:
            groups[-1][1].append(layer)
        else:
            groups.append((key, [layer]))
    return groups


def _block_of(modules: Mapping[str, nn.Module], path: str, level: int) -> str:
    """The name of the `level`th block on the way from the network to `path`; empty if there are fewer."""
    parts = path.split(".") if path else []
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    blocks = [name for name in names if not isinstance(modules[name], nn.Sequential | nn.ModuleList)]
    blocks = [name for name in blocks if not is_layer(modules[name])]
    return blocks[level - 1] if len(blocks) >= level else ""


def _single(network: nn.Module, layer: Layer, numbers: Mapping[int, int]) -> Row:
    size, filters = _size_and_filters(layer.shape, _is_last(network, layer.module))
    if layer.module is None:
        joined = ", ".join(str(numbers[place]) for place in layer.operands)
        label = f"{layer.kind}({joined})"
    else:
        label = _label(layer.module) + (f" – {_label(layer.norm)}" if layer.norm is not None else "")
    return Row(
        label,
        layer.paths,
        size,
        _square(getattr(layer.module, "kernel_size", None)),
        _square(getattr(layer.module, "stride", None)),
        filters,
        layer.activation or NOTHING,
        layers=[layer],
    )


def _block(network: nn.Module, module: nn.Module, name: str, layers: Sequence[Layer], trace: Trace) -> Row:
    """A block's largest kernel with its activation, and by how much the block shrinks its input."""
    last = _is_last(network, None)
    before, after = trace.shapes.get(name, (layers[0].shape, layers[-1].shape))
    size, filters = _size_and_filters(after, last)
    kernels = {id(layer): _sides(getattr(layer.module, "kernel_size", 0))[0] for layer in layers}
    largest = max(kernels.values())
    sides = [_spatial(shape, last) for shape in (before, after)]
    shrinks = all(sides) and len(sides[0]) == len(sides[1]) == 2
    return Row(
        type(module).__name__.lstrip("_"),
        [name],
        size,
        str(largest) if largest else NOTHING,
        str(sides[0][0] // max(1, sides[1][0])) if shrinks else NOTHING,
        filters,
        next((layer.activation for layer in layers if layer.activation and kernels[id(layer)] == largest), NOTHING),
        layers=layers,
    )


def _with_sums(network: nn.Module, trace: Trace, rows: list[Row]) -> list[Row]:
    """Give each module's own parameters and multiply-adds to its row; what belongs to none gets a row at the end."""
    of_name: dict[str, Row] = {}
    for row in rows:
        for name in row.names:
            of_name.setdefault(name, row)
    rest = Row("outside of these")
    seen: set[int] = set()
    for path, module in network.named_modules():
        own = [parameter for parameter in module.parameters(recurse=False) if id(parameter) not in seen]
        seen |= {id(parameter) for parameter in own}
        row = _owner(of_name, path) or rest
        row.parameters += sum(parameter.numel() for parameter in own)
        row.macs += trace.macs.get(path, 0)
    return [*rows, rest] if rest.parameters or rest.macs else rows


def _owner(of_name: Mapping[str, Row], path: str) -> Row | None:
    """The row of `path`, or of what it lies in."""
    while path:
        if path in of_name:
            return of_name[path]
        path = path.rpartition(".")[0]
    return None


def _label(module: nn.Module) -> str:
    """The paper's word for a layer: Conv2D, Conv2DTranspose, BN, Dense."""
    name = type(module).__name__.removesuffix("Same")
    for ours, theirs in _WORDS.items():
        if name.startswith(ours):
            return theirs
    if isinstance(module, nn.ConvTranspose2d):
        return "Conv2DTranspose"
    if not isinstance(module, nn.Conv2d):
        return name.replace("2d", "2D")
    if module.groups == 1:
        return "Conv2D"
    depthwise = module.groups == module.in_channels
    return "DepthwiseConv2D" if depthwise else f"Conv2D in {module.groups} groups"


def _is_last(network: nn.Module, module: nn.Module | None) -> bool:
    """Whether a layer's output has its channels last: dense layers', or the layers' of such networks as Swin."""
    if isinstance(module, nn.Linear) or type(module).__name__ == "LayerNorm":
        return True
    is_of_maps = module is not None and type(module).__name__.removesuffix("Same").endswith("2d")
    return is_channels_last(network) and not is_of_maps


def _size_and_filters(shape: Shape, channels_last: bool) -> tuple[str, str]:
    if len(shape) == 2:
        return NOTHING, str(shape[1])
    channels = shape[-1] if channels_last or len(shape) == 3 else shape[1]
    return _size(_spatial(shape, channels_last)), str(channels)


def _spatial(shape: Shape, channels_last: bool) -> Shape:
    """(B, C, H, W), (B, H, W, C) or (B, N, C) → (H, W) or (N,)."""
    return shape[1:-1] if channels_last or len(shape) == 3 else shape[2:]


def _size(sides: Shape) -> str:
    return " × ".join(str(side) for side in sides) or NOTHING


def _square(value: int | tuple[int, ...] | None) -> str:
    """3 for (3, 3), as in Table 9."""
    if value is None:
        return NOTHING
    sides = _sides(value)
    return str(sides[0]) if len(set(sides)) == 1 else _size(sides)


def _sides(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)
