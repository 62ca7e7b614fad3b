"""Whether the attention is used: what the ADN says when it is given another one than the external network's."""

from statistics import mean
from typing import Any

import torch
from torch import Tensor

from leanet.data.batches import Tensors
from leanet.detector.scores import scores
from leanet.detector.task import DetectorTask, outputs, probabilities
from leanet.seeds import derive

KINDS = ("constant", "shuffled")
SHUFFLES = 5  # whose figures are averaged
FIGURES = ("f1", "auroc", "ap")


def ablated(task: DetectorTask, tensors: Tensors, kind: str) -> dict[str, float]:
    """F1, AUROC and average precision of the ADN on test images whose attention is replaced.

    Args:
        tensors: all test images, with labels, maps and scales.
        kind: `constant`: every value by the mean over all images and positions, so that a gain is left of the
            attention; `shuffled`: each image's attention by another one's, the mean of five derangements.
    """
    attention = torch.cat([_attention(output.attention).cpu() for output in outputs(task, tensors, 64)])
    if kind == "constant":
        replaced = [attention.mean().expand_as(attention)]
    else:
        replaced = [attention[derangement(len(attention), number)] for number in range(SHUFFLES)]
    found = [_scores(task, {**tensors, "attention": other}) for other in replaced]
    return {name: mean(result[name] for result in found) for name in FIGURES}


def derangement(count: int, number: int) -> Tensor:
    """(count,), for each place another one, always the same: a cycle of all places in a random order."""
    generator = torch.Generator().manual_seed(derive(number, "derangement", count))
    order = torch.randperm(count, generator=generator)
    others = torch.empty_like(order)
    others[order] = order.roll(1)
    return others


def _scores(task: DetectorTask, tensors: Tensors) -> dict[str, Any]:
    return scores(probabilities(task, tensors)["adn"], tensors["labels"])


def _attention(attention: Tensor | None) -> Tensor:
    if attention is None:
        raise ValueError("a network without attention has none to replace")
    return attention
