import torch
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from leanet.experiment.kinds import by_kind


def test_recall_and_auroc_of_each_kind() -> None:
    probabilities = torch.tensor([0.1, 0.6, 0.3, 0.9, 0.4, 0.55])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    found = by_kind(probabilities, labels, ["", "", "", "cut", "crack", "cut"])
    assert list(found) == ["crack", "cut"]
    assert found["cut"] == {"images": 2, "detected": 2, "recall": 1.0, "auroc": found["cut"]["auroc"]}
    assert found["crack"]["recall"] == 0.0
    cut = [0, 1, 2, 3, 5]
    assert abs(found["cut"]["auroc"] - roc_auc_score(labels[cut], probabilities[cut])) < 1e-6
