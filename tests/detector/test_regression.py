import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leanet.detector.regression import LogisticRegression


def features(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of scales far apart, of which some say something of the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation([1] * (count // 4) + [0] * (count - count // 4))
    known = rng.normal(labels[:, None] * [0.0, 1.0, -2.0], 1.0) * [0.01, 1, 300] + [5, -70, 1000]
    return torch.tensor(known).float(), torch.tensor(labels)


def probability(fitted: LogisticRegression, known: torch.Tensor) -> np.ndarray:
    negative, positive = fitted(known).detach().T
    torch.testing.assert_close(negative, -positive)
    return torch.sigmoid(positive).numpy()


@pytest.mark.parametrize("columns", [[0, 1, 2], [1], [0]])
def test_as_scikit_learn(columns: list[int]) -> None:
    (known, labels), (asked, _) = features(60, seed=0), features(200, seed=1)
    known, asked = known[:, columns], asked[:, columns]
    theirs = make_pipeline(StandardScaler(), Theirs(tol=1e-8)).fit(known.double(), labels)
    fitted = LogisticRegression(len(columns))
    fitted.fit(known, labels)
    np.testing.assert_allclose(probability(fitted, asked), theirs.predict_proba(asked.double())[:, 1], atol=1e-5)


def test_the_noise_of_a_constant_is_left_alone() -> None:
    known, labels = features(60, seed=0)
    grey = known * 0 + 1e-5 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    fitted = LogisticRegression(3)
    fitted.fit(grey, labels)
    np.testing.assert_allclose(probability(fitted, grey), 0.25, atol=1e-3)


def test_a_rising_one_ranks_as_its_feature_whatever_the_labels_say() -> None:
    known, labels = features(60, seed=0)
    falling, rising = LogisticRegression(1), LogisticRegression(1, rising=True)
    for regression in (falling, rising):
        regression.fit(known[:, 2:], labels)
    order = known[:, 2].argsort().numpy()
    assert (np.diff(probability(falling, known[:, 2:])[order]) < 0).all()
    found = probability(rising, known[:, 2:])
    assert (np.diff(found[order]) > 0).all()
    np.testing.assert_allclose(found, 0.25, atol=1e-3)  # the share of positives: the labels give it no confidence
