"""Whether the attention is used: what the ADN says when it is given another one than the external network's."""

from statistics import mean
from typing import Any

import torch
from torch import Tensor

from leanet.detector.scores import scores
from leanet.detector.task import ATTENTION, DetectorTask, outputs, probabilities
from leanet.training.batches import Tensors
from leanet.training.seeds import derive

KINDS = ("constant", "shuffled")
SHUFFLES = 5  # whose figures are averaged
FIGURES = ("f1", "auroc", "ap")


def ablated(task: DetectorTask, tensors: Tensors, kind: str) -> dict[str, float]:
    """F1, AUROC and average precision of the ADN on test images whose attention is replaced.

    Args:
        tensors: all test images, with labels, maps and scales.
        kind: `constant`: every value by its point's mean over all images and positions, so that a gain is left of the
            attention; `shuffled`: each image's attention by another one's, the mean of five derangements.
    """
    by_batch = zip(*(output.attentions for output in outputs(task, tensors, 64)), strict=True)
    attentions = [torch.cat([part.cpu() for part in of_point]) for of_point in by_batch]
    if not attentions:
        raise ValueError("a network without attention has none to replace")
    if kind == "constant":
        replaced = [[attention.mean().expand_as(attention) for attention in attentions]]
    else:
        others = [derangement(len(tensors["labels"]), number) for number in range(SHUFFLES)]
        replaced = [[attention[rows] for attention in attentions] for rows in others]
    found = [_scores(task, tensors | _named(instead)) for instead in replaced]
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


def _named(attentions: list[Tensor]) -> Tensors:
    return {f"{ATTENTION} {place}": attention for place, attention in enumerate(attentions)}
