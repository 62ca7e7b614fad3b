import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from leanet.detector.scores import floor, scores


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation([1] * 20 + [0] * 60)
    found = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    result = scores(torch.from_numpy(found), torch.from_numpy(labels))
    assert result["f1"] == pytest.approx(f1_score(labels, found > 0.5), abs=1e-6)
    assert result["auroc"] == pytest.approx(roc_auc_score(labels, found), abs=1e-6)
    assert result["ap"] == pytest.approx(average_precision_score(labels, found), abs=1e-6)
    assert result["collapsed"] is False


@pytest.mark.parametrize(("probability", "f1"), [(0.9, 0.4), (0.1, 0.0)])
def test_one_answer_for_all_is_a_collapse(probability: float, f1: float) -> None:
    labels = torch.tensor([1] * 20 + [0] * 60)
    result = scores(torch.full((80,), probability), labels)
    assert result["collapsed"] is True and result["f1"] == pytest.approx(f1)
    # The floor of the paper's sets with a quarter of positives.
    assert floor(labels) == pytest.approx(0.4)


def test_scores_of_a_perfect_detector_are_one() -> None:
    """In float32 one in sixteen of these had an AUROC of 1.0000001."""
    for seed in range(60):
        labels = torch.arange(60 + seed) % 4 == 0
        probabilities = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed)) * 0.4 + labels * 0.5
        found = scores(probabilities, labels.long())
        assert (found["auroc"], found["ap"]) == (1, 1)
