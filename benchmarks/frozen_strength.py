"""The strength of a frozen network's regression: fixed, or chosen by inner folds of the training images.

    python benchmarks/frozen_strength.py potato strawberry hurricane

takes the folds of `adn=frozen` on these datasets (of LEANET_DATA; features are kept in LEANET_RUNS) and prints the mean
F1 and AUROC over the folds of three splits, for all positives and for an eighth, of each fixed C and of the C that five
inner folds of the training images choose.
"""

import sys
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from omegaconf import OmegaConf
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.detector.build import detector_of
from leanet.experiment.frozen_features import features_of
from leanet.experiment.split import split_of
from leanet.runs.cell import Cells, load

STRENGTHS = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
Scores = tuple[float, float]
Data = tuple[NDArray[np.floating], NDArray[np.int64]]


def fixed(strength: float) -> Any:
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=10_000)


def chosen(scoring: str) -> Any:
    return LogisticRegressionCV(
        Cs=list(STRENGTHS), cv=5, scoring=scoring, class_weight="balanced", max_iter=10_000, l1_ratios=(0,),
        use_legacy_attributes=False,
    )  # fmt: skip


WAYS: dict[str, Callable[[], Any]] = {
    **{f"C={strength:g}": partial(fixed, strength) for strength in STRENGTHS},
    "inner folds, by log loss": partial(chosen, "neg_log_loss"),
    "inner folds, by AUROC": partial(chosen, "roc_auc"),
}


def main() -> None:
    rows = []
    for name in sys.argv[1:]:
        for rate in (1, 0.125):
            folds = [fold for split in range(3) for fold in folds_of(name, rate, split)]
            for way, make in WAYS.items():
                found = [scores(make(), *fold) for fold in folds]
                rows.append([name, f"{rate:g}", way, *(f"{mean(values):.3f}" for values in zip(*found, strict=True))])
    print(
        tabulate(rows, headers=["", "positives", "strength", "F1", "AUROC"], tablefmt="github", disable_numparse=True)
    )


def folds_of(name: str, rate: float, split: int) -> list[tuple[Data, Data]]:
    """The training and the test images of each fold, features and labels."""
    given = [f"dataset={name}", "adn=frozen", f"positive_rate={rate}", f"split_seed={split}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", given), resolve=True)
    cell = Cells().of(settings_of(config))
    images, fold_of = load(cell)
    tensors = {"images": torch.from_numpy(images.images)}
    features = features_of(cell.runs[0], detector_of(cell.settings, 1), tensors).double().numpy()
    splits = [split_of(run, images, fold_of) for run in cell.runs]
    parts = [(rows.train, rows.test) for rows in splits]
    return [((features[a], images.labels[a]), (features[b], images.labels[b])) for a, b in parts]


def scores(regression: Any, train: Data, test: Data) -> Scores:
    model = make_pipeline(StandardScaler(), regression).fit(*train)
    probabilities = model.predict_proba(test[0])[:, 1]
    return float(f1_score(test[1], probabilities > 0.5)), float(roc_auc_score(test[1], probabilities))


if __name__ == "__main__":
    main()
