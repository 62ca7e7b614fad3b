"""What a finished run said of its test images."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leanet.detector.threshold import f1_above
from leanet.errors import LeanetError
from leanet.report.csv_files import csv_rows
from leanet.runs.run import read_result
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

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What identifies each image: the SHA-256 and the name of its file."""
        return list(zip(self.sha256, self.names, strict=True))

    @classmethod
    def of(cls, folder: Path | str) -> "Predictions":
        """Those of the finished run in `folder`; LeanetError where they are gone or damaged."""
        file, result = Path(folder) / "predictions.csv", read_result(Path(folder) / RESULT) or {}
        try:
            rows = csv_rows(file)
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


def f1_at_prior(folder: str, negatives: int, positives: int) -> float:
    """F1 of the run in `folder` above the share of positives among the images that it trained on.

    Where positives are rare in training, P(anomalous) of an image of which nothing else is known is that share and not
    0.5: above it, what was seen speaks for an anomaly. The same as 0.5 after the correction of King & Zeng (2001),
    *Logistic regression in rare events data*, §4.2, to classes that are equally frequent.
    """
    found = Predictions.of(folder)
    return f1_above(positives / (negatives + positives), found.probabilities, found.labels)
