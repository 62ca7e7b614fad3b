"""What a configuration's networks are: sizes, parameters and multiply-adds, as Markdown tables."""

from collections.abc import Mapping, Sequence

import torch
from tabulate import tabulate
from torch import Tensor

from leanet.colorizer.network import Colorizer
from leanet.detector.caan import Caan, ExternalNetwork
from leanet.detector.frozen import Frozen
from leanet.detector.network import LeaNet
from leanet.detector.points import POINTS
from leanet.errors import LeanetError
from leanet.model.layers import NOTHING, Row, is_by_layer, place_of
from leanet.model.parts import Count, Part, adn_part, caan_part, colorizer_part
from leanet.model.trace import Shape
from leanet.model.weight_facts import WeightFacts, weights_table

LAYERS = ("ID", "Layer Type", "Output dim", "Kernel", "Stride", "Filters", "Activation", "Parameters", "MMACs")
SIZES = ("network", "trainable", "with statistics", "GMACs", "GFLOPs")
FIVE = ("point", "ADN module", "ADN's features", "CAAN module", "CAAN's features", "attention map")
NOTES = """\
With statistics: frozen parameters and batch norm's running means and variances as well, as Keras counts them. GMACs: \
thousands of millions of multiply-adds, which is what most articles mean by FLOPs; in GFLOPs each counts as two. One \
image, one forward pass; convolutions, dense layers and products of matrices count."""


def describe(
    network: LeaNet,
    colorizer: Colorizer | None,
    image_size: int,
    names: Mapping[str, str],
    weights: Sequence[WeightFacts] = (),
) -> str:
    """The whole page.

    Args:
        network, colorizer: on the meta device.
        names: of ADN, CAAN and colorizer, for people.
        weights: of the networks with pretrained ones.

    Raises:
        LeanetError: the attention cannot enter where it should.
    """
    adn, caan = adn_part(network, image_size), caan_part(network.caan, image_size)
    painter = colorizer_part(colorizer, image_size) if colorizer is not None else None
    _try(network, image_size)
    parts = {f"ADN {names['ADN']}": adn, f"CAAN {names['CAAN']}": caan}
    sections = [
        sizes_table(parts | ({f"colorizer {names['colorizer']}": painter} if painter else {})),
        NOTES,
        *(["## Pretrained weights", weights_table(weights)] if weights else []),
        "## The five attention points",
        points_table(network, adn, caan, image_size),
        *([_regression(network.adn)] if isinstance(network.adn, Frozen) else []),
    ]
    for title, part in {f"Colorizer {names['colorizer']}": painter, **dict(reversed(parts.items()))}.items():
        sections += _section(title, part, _chosen(network))
    return "\n\n".join(sections)


def _try(network: LeaNet, image_size: int) -> None:
    """One pass through everything, since a module may give something that the attention cannot act on."""
    images, maps = (torch.zeros(1, channels, image_size, image_size, device="meta") for channels in (3, 1))
    with torch.no_grad():
        network.eval()(images, maps)


def _section(title: str, part: Part | None, chosen: Sequence[int]) -> list[str]:
    if part is None:
        return []
    is_last = part.name != "colorizer" and part.regression is None
    more = " The sigmoid of the last layer's two units is in the loss." if is_last else ""
    return [f"## {title}", f"{_by_what(part)}.{more}", layers_table(part, chosen)]


def sizes_table(parts: Mapping[str, Part | None]) -> str:
    """Parameters and multiply-adds of the networks by their names, ADN and CAAN together as well."""
    rows = [[name, *_figures([part] if part else [])] for name, part in parts.items()]
    both = [part for part in parts.values() if part and part.name in ("ADN", "CAAN")]
    if len(both) == 2:
        rows.insert(2, ["ADN and CAAN", *_figures(both)])
    return markdown(rows, SIZES)


def _figures(parts: Sequence[Part]) -> list[str]:
    counted = sum((part.count for part in parts), Count(0, 0))
    macs = sum(part.macs for part in parts)
    return [
        f"{counted.trainable:,}",
        f"{counted.with_statistics:,}",
        f"{macs / 1e9:.3f}",
        f"{2 * macs / 1e9:.3f}",
    ]


def points_table(network: LeaNet, adn: Part, caan: Part | None, image_size: int) -> str:
    """The five attention points: what each network has there, and the attention map as it arrives."""
    maps = torch.zeros(1, 1, image_size, image_size, device="meta")
    rows = []
    for point in range(1, POINTS + 1):
        features = adn.features(point)
        attention = _attention(network.caan, maps, point) if features else None
        rows.append(
            [
                _marked(point, _chosen(network)),
                adn.points[point - 1] or NOTHING,
                _dims(features) or f"none of S/{2**point}",
                _module(caan, caan.points[point - 1] if caan else None),
                _dims(caan.features(point) if caan else None) or NOTHING,
                _arriving(attention, features),
            ]
        )
    if network.caan is None:  # whose columns would be empty
        return markdown([row[:3] for row in rows], FIVE[:3])
    return markdown(rows, FIVE)


def _chosen(network: LeaNet) -> Sequence[int]:
    """The points of the attention, or those whose features a frozen network's regression uses."""
    return network.adn.network.stages if isinstance(network.adn, Frozen) else network.points


def _regression(adn: Frozen) -> str:
    return (
        f"The network is frozen. ← marks the points whose features are used: their means over the image, "
        f"{adn.regression.linear.in_features} numbers, go into a logistic regression, which alone is trained."
    )


def _attention(caan: ExternalNetwork | None, maps: Tensor, point: int) -> Shape | None:
    """(h, w) of the attention map, which is that of the external network's features; None if it has none there."""
    if caan is None:
        return None
    try:
        with torch.no_grad():
            return tuple(caan(maps, [point])[0][0].shape[-2:])
    except LeanetError:
        return None


def _arriving(attention: Shape | None, features: Shape | None) -> str:
    if attention is None or features is None:
        return NOTHING
    if attention == features[:2]:
        return _dims(attention)
    return f"{_dims(features[:2])}, resized from {_dims(attention)}"


def layers_table(part: Part, chosen: Sequence[int] = ()) -> str:
    """The network's rows with the columns of Table 9; with their modules and points where it has such."""
    rows = part.rows
    lines = [[str(number), *_cells(row)] for number, row in enumerate(rows, start=1)]
    if not any(part.points):
        return markdown(lines, LAYERS)
    reached: dict[int | None, str] = {}
    for point, module in enumerate(part.points, start=1):
        if module:
            reached[place_of(rows, module)] = _marked(point, chosen)
    for place, (line, row) in enumerate(zip(lines, rows, strict=True)):
        line += [_module(part, _name(row)), reached.get(place, "")]
    return markdown(lines, (*LAYERS, "Module", "Point"))


def _by_what(part: Part) -> str:
    """How the rows of `layers_table` are to be read."""
    return "Layer by layer" if is_by_layer(part.rows) else f"Block by block ({len(part.trace.layers)} layers)"


def _cells(row: Row) -> list[str]:
    macs = f"{row.macs / 1e6:.3f}" if row.macs else NOTHING
    parameters = f"{row.parameters:,}" if row.parameters else NOTHING
    return [row.layer, row.size, row.kernel, row.stride, row.filters, row.activation, parameters, macs]


def _name(row: Row) -> str | None:
    if row.names:
        return row.names[0]
    return row.layers[0].within if row.layers else None


def _module(part: Part | None, name: str | None) -> str:
    """A module's name; those of the paper's CAANs as the blocks of Table 1, where the head is block 6."""
    if not name or part is None:
        return NOTHING
    if not isinstance(part.network, Caan):
        return name
    first, *rest = name.split(".")
    return f"block {int(rest[0]) + 1}" if first == "blocks" else f"block {POINTS + 1}"


def _marked(point: int, chosen: Sequence[int]) -> str:
    return f"{point} ←" if point in chosen else str(point)


def _dims(shape: Shape | None) -> str:
    return " × ".join(str(side) for side in shape or ())


def markdown(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    right = {"ID", "Parameters", "MMACs", *SIZES[1:]}
    align = ["right" if name in right else "left" for name in headers]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)
