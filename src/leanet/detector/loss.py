"""What LEA-Net is trained on (Eq. 1), and how rare anomalies may weigh in it."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from leanet.detector.lea_net import Output
from leanet.training.batches import Tensors


class Balance(NamedTuple):
    """What makes up for a class that is rare among the training images; both (2,), of normal and anomalous.

    Args:
        weights: of an image's loss, by its class.
        offsets: added to the two units' logits, in the loss alone.
    """

    weights: Tensor
    offsets: Tensor


def balance_of(kind: str, labels: Tensor) -> Balance | None:
    """The balance for the labels (N,) that are trained on; None to train as in the paper.

    Args:
        kind: `none`; `weights`: N / (2 Nₖ) for an image of class k, so that both classes weigh the same (King & Zeng
            2001, *Logistic regression in rare events data*); `prior`: each unit's log odds in the training images are
            added to it, so that the network is left to learn what is beyond them (Menon et al. 2021, *Long-tail
            learning via logit adjustment*, Eq. 10). With both, 0.5 is where both classes would be equally likely if
            they were equally frequent.
    """
    counts = torch.bincount(labels, minlength=2).float()
    if kind == "none":
        return None
    if kind == "weights":
        return Balance(len(labels) / (2 * counts), torch.zeros(2))
    return Balance(torch.ones(2), torch.log(counts / counts.flip(0)))


def head_losses(output: Output, labels: Tensor, balance: Balance | None = None) -> Tensors:
    """The loss of each head there is."""
    losses = {"adn_loss": head_loss(output.adn, labels, balance)}
    if output.caan is not None:
        losses["caan_loss"] = head_loss(output.caan, labels, balance)
    return losses


def total(losses: Tensors) -> Tensor:
    """What is trained on: the sum over the heads (Eq. 1)."""
    return torch.stack(list(losses.values())).sum()


def head_loss(logits: Tensor, labels: Tensor, balance: Balance | None = None) -> Tensor:
    """Binary cross-entropy of (B, 2) logits and (B,) labels, the mean over both units."""
    wanted = one_hot(labels, 2).to(logits.dtype)
    if balance is None:
        return binary_cross_entropy_with_logits(logits, wanted)
    weights, offsets = (part.to(logits) for part in balance)
    return binary_cross_entropy_with_logits(logits + offsets, wanted, weights[labels][:, None])
