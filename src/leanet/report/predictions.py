"""What a finished run said of its test images."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leanet.detector.threshold import f1_above
from leanet.errors import LeanetError
from leanet.storage.run_files import RESULT


@dataclass(frozen=True)
class Predictions:
    """predictions.csv of a run: N test images.

    names, sha256: of their files.
    labels: (N,), 0 or 1.
    probabilities: (N,), of being anomalous, by the ADN.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Predictions":
        """Those of a finished run; LeanetError where they are gone or damaged."""
        file = Path(result["folder"]) / "predictions.csv"
        try:
            with file.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            names, sha256 = (tuple(row[column] for row in rows) for column in ("file", "sha256"))
            labels = np.array([int(row["label"]) for row in rows], dtype=np.int64)
            probabilities = np.array([float(row["adn"]) for row in rows])
            if len(rows) != sum(result["images"]["test"].values()):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            raise LeanetError(
                f"{file}: gone or damaged; remove {RESULT} beside it, and the same command makes both again"
            ) from None
        return cls(names, sha256, labels, probabilities)


NO_PREDICTIONS = Predictions((), (), np.zeros(0, np.int64), np.zeros(0))


def f1_at_prior(result: Mapping[str, Any]) -> float:
    """F1 of a run above the share of positives that it trained on, which asks no image that was held out.

    Where positives are rare in training, P(anomalous) of an image of which nothing else is known is that share and not
    0.5: above it, what was seen speaks for an anomaly. The same as 0.5 after the correction of King & Zeng (2001),
    *Logistic regression in rare events data*, §4.2, to classes that are equally frequent.
    """
    counts, found = result["images"]["train"], Predictions.of(result)
    return f1_above(counts["positive"] / sum(counts.values()), found.probabilities, found.labels)
