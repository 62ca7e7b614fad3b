"""Test whether the ADN uses the attention: its scores when the attention is replaced."""

from statistics import mean
from typing import Any

import torch
from torch import Tensor

from leanet.detector.scores import scores
from leanet.detector.task import ATTENTION, DetectorTask, outputs, probabilities
from leanet.training.batches import Tensors
from leanet.training.seeds import derive

KINDS = ("constant", "shuffled")
SHUFFLES = 5  # random derangements, whose scores are averaged
FIGURES = ("f1", "auroc", "ap")


def ablated(task: DetectorTask, tensors: Tensors, kind: str) -> dict[str, float]:
    """Scores of the ADN on test images with replaced attention.

    Args:
        task: a detector with attention.
        tensors: all test images, with labels, maps and scales.
        kind: `constant` replaces every value by its point's mean over all images and positions, so that only a constant
            gain is left; `shuffled` gives each image the attention of another one, and averages five derangements.

    Returns:
        `f1`, `auroc` and `ap` in 0…1.

    Raises:
        ValueError: the network has no attention.
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
    """A permutation without fixed points: one cycle through all places in random order.

    Args:
        count: N.
        number: seed; the same number gives the same permutation.

    Returns:
        (N,) int64.
    """
    generator = torch.Generator().manual_seed(derive(number, "derangement", count))
    order = torch.randperm(count, generator=generator)
    others = torch.empty_like(order)
    others[order] = order.roll(1)
    return others


def _scores(task: DetectorTask, tensors: Tensors) -> dict[str, Any]:
    return scores(probabilities(task, tensors)["adn"], tensors["labels"])


def _named(attentions: list[Tensor]) -> Tensors:
    return {f"{ATTENTION} {place}": attention for place, attention in enumerate(attentions)}
