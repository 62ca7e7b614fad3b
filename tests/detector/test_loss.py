"""The loss, and what makes up for rare anomalies in it."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy, logsigmoid

from leanet.detector.lea_net import Output
from leanet.detector.loss import balance_of, head_loss, head_losses, total

LABELS = torch.tensor([0, 0, 1, 0, 0, 1, 0, 0])


def logits() -> torch.Tensor:
    return torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_head_s_loss_is_the_cross_entropy_of_both_units() -> None:
    of_both = [binary_cross_entropy(logits()[:, unit].sigmoid(), (unit == LABELS).double()) for unit in (0, 1)]
    torch.testing.assert_close(head_loss(logits(), LABELS), torch.stack(of_both).mean())


def test_the_loss_is_the_sum_over_the_heads() -> None:
    """Equation 1."""
    both = Output(adn=logits(), caan=logits() * 2, attentions=[])
    assert total(head_losses(both, LABELS)) == head_loss(logits(), LABELS) + head_loss(logits() * 2, LABELS)
    assert head_losses(Output(adn=logits(), caan=None, attentions=[]), LABELS).keys() == {"adn_loss"}


def test_weights_are_those_that_scikit_learn_calls_balanced() -> None:
    balance = balance_of("weights", LABELS)
    assert balance is not None
    theirs = compute_class_weight("balanced", classes=np.array([0, 1]), y=LABELS.numpy())
    torch.testing.assert_close(balance.weights.double(), torch.from_numpy(theirs))
    assert not balance.offsets.any()


def test_weighing_is_as_good_as_repeating_the_rare() -> None:
    repeated = torch.cat([torch.arange(8), *[(LABELS == 1).nonzero()[:, 0]] * 2])  # 6 normals, 3 times 2 anomalies
    assert LABELS[repeated].float().mean() == 0.5
    weighed = head_loss(logits(), LABELS, balance_of("weights", LABELS))
    torch.testing.assert_close(weighed, head_loss(logits()[repeated], LABELS[repeated]))


def test_with_the_prior_a_network_that_sees_nothing_learns_nothing() -> None:
    """Its best answer is then 0.5, where without it is the share of anomalies."""
    for kind, best in (("prior", 0.0), ("none", float(torch.logit(torch.tensor(0.25))))):
        blind = torch.tensor([-best, best]).expand(8, 2).clone().requires_grad_()
        head_loss(blind, LABELS, balance_of(kind, LABELS)).backward()
        assert blind.grad is not None
        torch.testing.assert_close(blind.grad.sum(0), torch.zeros(2), atol=1e-7, rtol=0)


def test_the_prior_is_the_posterior_s_factor() -> None:
    """Bayes: odds in training = odds of balanced classes × the classes' odds; the loss is of the former."""
    found = head_loss(logits()[:1], LABELS[:1], balance_of("prior", LABELS))
    normal, anomalous = logits()[0].exp() * torch.tensor([6 / 2, 2 / 6])
    torch.testing.assert_close(found, -((normal / (1 + normal)).log() + logsigmoid(-anomalous.log())) / 2)


@pytest.mark.parametrize("kind", ["weights", "prior"])
def test_equally_frequent_classes_need_no_balance(kind: str) -> None:
    even = torch.tensor([0, 1] * 4)
    torch.testing.assert_close(head_loss(logits(), even, balance_of(kind, even)), head_loss(logits(), even))
