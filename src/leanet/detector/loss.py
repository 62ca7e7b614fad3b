"""The loss of LEA-Net (Eq. 1), and variants for few anomalous images."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from leanet.detector.lea_net import Output
from leanet.training.batches import Tensors


class Balance(nn.Module):
    """Corrections of the loss where one class is rare in training; a module, since it moves to the device with a task.

    Args:
        weights: (2,), factors of the loss of normal and anomalous images.
        offsets: (2,), added to the logits of the two units in the loss only.
    """

    weights: Tensor
    offsets: Tensor

    def __init__(self, weights: Tensor, offsets: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)


def balance_of(kind: str, labels: Tensor) -> Balance | None:
    """The corrections for a set of training labels.

    With `weights` and `prior`, P = 0.5 means that both classes would be equally likely if they were equally frequent.

    Args:
        kind: `none`, as in the paper; `weights`: an image of class k has the weight N / (2 Nₖ), so that both classes
            have the same total weight (King & Zeng 2001, *Logistic regression in rare events data*); `prior`: the log
            odds of each class in training are added to its unit's logit, so that the network learns only what goes
            beyond them (Menon et al. 2021, *Long-tail learning via logit adjustment*, Eq. 10).
        labels: (N,), 0 normal and 1 anomalous.

    Returns:
        None for `none`.
    """
    counts = torch.bincount(labels, minlength=2).float()
    if kind == "none":
        return None
    if kind == "weights":
        return Balance(len(labels) / (2 * counts), torch.zeros(2))
    return Balance(torch.ones(2), torch.log(counts / counts.flip(0)))


def head_losses(output: Output, labels: Tensor, balance: Balance | None = None) -> Tensors:
    """The loss of each head, `adn_loss` and, with a CAAN, `caan_loss`; scalars.

    Args:
        output: of a batch of B images.
        labels: (B,), 0 normal and 1 anomalous.
        balance: corrections for rare classes.
    """
    losses = {"adn_loss": head_loss(output.adn, labels, balance)}
    if output.caan is not None:
        losses["caan_loss"] = head_loss(output.caan, labels, balance)
    return losses


def total(losses: Tensors) -> Tensor:
    """The training loss (Eq. 1): the sum of the heads' losses, L = BCE(CAAN) + BCE(ADN)."""
    return torch.stack(list(losses.values())).sum()


def head_loss(logits: Tensor, labels: Tensor, balance: Balance | None = None) -> Tensor:
    """Binary cross-entropy of one head, the mean over images and both units; a scalar.

    Args:
        logits: (B, 2), of normal and anomalous.
        labels: (B,), 0 normal and 1 anomalous.
        balance: corrections for rare classes.
    """
    wanted = torch.stack([1 - labels, labels], dim=1).to(logits.dtype)
    if balance is None:
        return binary_cross_entropy_with_logits(logits, wanted)
    return binary_cross_entropy_with_logits(logits + balance.offsets, wanted, balance.weights[labels][:, None])
