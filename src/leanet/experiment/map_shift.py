"""How far the maps of images that a map maker was fitted on lie from those of others."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.experiment.split import Rows, Split

MOST = 2_000  # images of each kind whose maps are read


def map_shift(maps: Tensor, labels: NDArray[np.int64], rows: Split) -> dict[str, float | None]:
    """Compare the means of the maps of training normals with those of test normals, which no map maker has seen.

    A detector learns from training normals how bright the map of a normal image is. If test normals are brighter, it
    takes them for anomalous. No anomalous image is needed to see this.

    Args:
        maps: (N, 1, S, S), not scaled.
        labels: (N,), 0 normal and 1 anomalous.
        rows: of the run.

    Returns:
        `train_normals`, `test_normals` and `test_positives`: the mean of their maps; `shift`: the probability that a
        test normal's map has a larger mean than a training normal's, .5 if they are alike. None without test images.
    """
    kinds = {
        "train_normals": rows.all_train[labels[rows.all_train] == NEGATIVE],
        "test_normals": rows.test[labels[rows.test] == NEGATIVE],
        "test_positives": rows.test[labels[rows.test] == POSITIVE],
    }
    means = {kind: _means(maps, of_kind) for kind, of_kind in kinds.items()}
    found = {kind: float(values.mean()) if len(values) else None for kind, values in means.items()}
    return {**found, "shift": _larger(means["test_normals"], means["train_normals"])}


def _means(maps: Tensor, rows: Rows) -> NDArray[np.float64]:
    some = rows[:: len(rows) // MOST + 1]
    return np.array([float(maps[row].float().mean()) for row in some])


def _larger(some: NDArray[np.float64], others: NDArray[np.float64]) -> float | None:
    """The probability that one of `some` is larger than one of `others`: the AUROC between them."""
    if not len(some) or not len(others):
        return None
    truth = np.repeat([1, 0], [len(some), len(others)])
    return float(roc_auc_score(truth, np.concatenate([some, others])))
