import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from leanet.detector.heads import combined, weighted


def heads(count: int, seed: int, scale: float = 1.0) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """An ADN that knows something and a CAAN that knows more, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation([1] * (count // 4) + [0] * (count - count // 4))
    found = {"adn": rng.normal(labels - 0.5, 2.0), "caan": rng.normal(2 * labels - 1, 1.0)}
    return {head: torch.tensor(scale * values).float() for head, values in found.items()}, torch.tensor(labels)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_weights_are_those_of_scikit_learn(scale: float) -> None:
    validation, labels = heads(40, seed=0, scale=scale)
    test, _ = heads(60, seed=1, scale=scale)
    known, asked = (np.stack([part["adn"], part["caan"]], axis=1) for part in (validation, test))
    expected = LogisticRegression(tol=1e-8).fit(known, labels.numpy()).predict_proba(asked)[:, 1]
    np.testing.assert_allclose(weighted(test, validation, labels), expected, atol=1e-4)


def test_the_mean_of_the_logits() -> None:
    found = combined({"adn": torch.tensor([200.0, -1.0]), "caan": torch.tensor([-198.0, 1.0])})
    torch.testing.assert_close(found, torch.sigmoid(torch.tensor([1.0, 0.0])))  # though both are sure, and disagree


def test_one_head_alone_has_nothing_to_be_combined_with() -> None:
    both, labels = heads(8, seed=0)
    alone = {"adn": both["adn"]}
    assert combined(alone) is None and weighted(alone, alone, labels) is None and weighted(both, {}, labels) is None
