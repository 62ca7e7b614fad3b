"""How well each kind of anomaly is found."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leanet.data.images import NEGATIVE, POSITIVE, THRESHOLD
from leanet.detector.scores import scores


def by_kind(probabilities: Tensor, labels: Tensor, kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scores of the anomalous images of each kind, beside all normal images.

    Args:
        probabilities: (N,), P(anomalous) in 0…1.
        labels: (N,), 0 normal and 1 anomalous; both must occur.
        kinds: N kinds; those of normal images are ignored.

    Returns:
        for each kind, sorted: `images` and `detected`, the numbers of its images and of those above the threshold 0.5;
        `recall`; and `auroc`, of its images and the normal ones.
    """
    found = {}
    for kind in sorted({kind for kind, label in zip(kinds, labels.tolist(), strict=True) if label == POSITIVE}):
        of_kind = torch.tensor([word == kind for word in kinds]) & (labels == POSITIVE)
        images, detected = int(of_kind.sum()), int((probabilities[of_kind] > THRESHOLD).sum())
        chosen = of_kind | (labels == NEGATIVE)
        auroc = scores(probabilities[chosen], labels[chosen])["auroc"]
        found[kind] = {"images": images, "detected": detected, "recall": detected / images, "auroc": auroc}
    return found
