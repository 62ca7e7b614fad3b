"""A detector on images that are cut into tiles: it sees tiles, and judges images by `TilePooling`."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from leanet.detector.lea_net import LeaNet, Output
from leanet.detector.tile_pooling import TilePooling
from leanet.training.batches import Tensors

AT_ONCE = 64  # tiles that a network sees together where no gradient is needed

T = TypeVar("T")


def each_tile(values: Tensor) -> Tensor:
    """The tiles of B images, (B, T, C, H, W) → (B · T, C, H, W). Images without tiles, (B, C, H, W), are returned."""
    return values.flatten(0, 1) if values.ndim == 5 else values


def in_parts(seen: Callable[..., T], *tensors: Tensor | None) -> list[T]:
    """Call `seen` on a limited number of rows at a time where no gradient is needed; else on all rows at once.

    Args:
        seen: a function of the tensors.
        tensors: (N, …) each; None is handed on.

    Returns:
        its values, in the order of rows.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():  # an exported program takes any number of rows
        return [seen(*tensors)]
    count = len(next(tensor for tensor in tensors if tensor is not None))
    parts = [slice(start, start + AT_ONCE) for start in range(0, count, AT_ONCE)]
    return [seen(*(None if tensor is None else tensor[part] for tensor in tensors)) for part in parts]


def joined(outputs: Sequence[Output]) -> Output:
    """One output from those of consecutive rows."""
    if len(outputs) == 1:
        return outputs[0]
    caan = [output.caan for output in outputs if output.caan is not None]
    attentions = zip(*(output.attentions for output in outputs), strict=True)
    return Output(
        torch.cat([output.adn for output in outputs]),
        torch.cat(caan) if caan else None,
        tuple(torch.cat(of_point) for of_point in attentions),
    )


def pooled(network: LeaNet, output: Output, images: int) -> Output:
    """The output for B images; the attention stays that of the tiles.

    Args:
        network: has a `pooling`.
        output: for all B · T tiles.
        images: B.
    """
    assert network.pooling is not None
    adn = network.pooling(output.adn.reshape(images, -1, 2))
    caan = None if output.caan is None else network.pooling(output.caan.reshape(images, -1, 2))
    return Output(adn, caan, output.attentions)


def leading_tiles(batch: Tensors, logits: Tensor, pooling: TilePooling) -> Tensors:
    """A batch with only the most anomalous tiles of each image.

    Args:
        batch: `images` (B, T, 3, S, S), perhaps `maps` (B, T, 1, S, S); all else is by image.
        logits: (B, T, 2) of its tiles.
        pooling: chooses them.
    """
    rows = pooling.leading(logits)
    image = torch.arange(len(rows), device=rows.device)[:, None]
    return {name: value[image, rows] if value.ndim == 5 else value for name, value in batch.items()}
