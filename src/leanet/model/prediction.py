"""A prediction: which files, by which networks, with which decision; done once, and gone on with if it was killed."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leanet.data.files import why_not_read
from leanet.errors import LeanetError
from leanet.model.decision import Decision
from leanet.model.find import FoundModel
from leanet.model.stream import Ask, Journal, Pixels, Source, ask_about, write_rows
from leanet.storage.files import JOURNAL, as_cell, damaged, identity, read_json, write_json
from leanet.storage.files import PREDICTION as DONE
from leanet.storage.locks import lock
from leanet.version import __version__

if TYPE_CHECKING:
    from leanet.model.load import Model

PREDICTIONS, UNREADABLE, RELIABILITY = "predictions.csv", "unreadable.csv", "reliability.png"

Facts = dict[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What is to be done. Everything that changes a row is in its identity.

    runs: paths.runs, for the folder where `out` names none.
    """

    found: FoundModel
    source: Source
    decision: Decision
    overlays: bool
    runs: Path
    out: Path | None = None

    @cached_property
    def facts(self) -> Facts:
        """What prediction.json says."""
        results, calibration = [member.result for member in self.found.members], self.decision.calibration
        return {
            "source": str(self.source.path.resolve()),
            "dataset": results[0]["dataset"],
            "model": results[0]["model"],
            "cell": results[0]["cell"],
            "runs": [result["run"] for result in results],
            "folds": [result["fold"] for result in results],
            "folds_of_cell": self.found.folds if self.found.is_cell else None,
            "threshold": self.decision.threshold._asdict(),
            "calibration": calibration and calibration.facts,
            "overlays": self.overlays,
        }

    @cached_property
    def id(self) -> str:
        return identity({**self.facts, "files": self.source.digest})

    @cached_property
    def folder(self) -> Path:
        """`out`, or one named after the source and the model that ends in the identity."""
        stem = os.fsencode(self.source.path.resolve().stem)[:100].decode(errors="ignore")
        name = f"{stem}-{self.found.name.replace('@', '-point')}-{self.id}"
        return self.out or self.runs / "predictions" / name


def done_or_do(prediction: Prediction, accelerator: str = "auto", trust: bool = False) -> Facts:
    """What prediction.json says in the end: of what was done before, of what was left, or of all.

    Raises:
        LeanetError: the folder holds another prediction, or the networks cannot be had.
    """
    folder = prediction.folder
    with lock(folder, lambda: print(f"{folder}: another process is at it; waiting")):
        done: Facts | None = read_json(folder / DONE)
        if done is None:
            done = _do(prediction, accelerator, trust)
        elif not isinstance(done, dict) or "threshold" not in done:
            raise damaged(folder / DONE)
        elif done["id"] == prediction.id:
            print("all done before, nothing to predict")
        else:
            raise LeanetError(f"{folder} holds a prediction by other settings or of other files; give another out=DIR")
        (folder / JOURNAL).unlink(missing_ok=True)
    return done


def _do(prediction: Prediction, accelerator: str, trust: bool) -> Facts:
    """Ask about the files that are left, then write the results, prediction.json last."""
    folder, names = prediction.folder, prediction.source.names
    journal = Journal(folder / JOURNAL, prediction.id, len(names))
    try:
        if journal.done < len(names):
            from leanet.model.load import Model  # here, since it imports torch: all mistakes are told by now

            model = Model(prediction.found, prediction.decision, accelerator, trust)
            if journal.done:
                print(f"going on after {journal.done} of {len(names)} files")
            ask_about(prediction.source, model.image_size, journal, _asker(prediction, model))
    finally:
        journal.close()
    if prediction.decision.calibration:
        from leanet.model.reliability import draw_reliability  # here, since it imports matplotlib

        draw_reliability(prediction.decision, folder / RELIABILITY)
    images = _write(prediction, journal)
    versions = {"python": platform.python_version(), "leanet": __version__}
    done = {"id": prediction.id, **prediction.facts, "images": images, "versions": versions}
    write_json(folder / DONE, done)
    return done


def _asker(prediction: Prediction, model: "Model") -> Ask:
    """What to ask the model of a batch: the probabilities, and for overlays all that it sees."""

    def probabilities(images: Pixels, names: Sequence[str]) -> NDArray[np.float64]:
        return model.look(images).per_fold

    if not prediction.overlays:
        return probabilities

    from leanet.model.overlay import draw_overlays, sweep  # here, since they import matplotlib

    sweep(prediction.folder)

    def with_overlays(images: Pixels, names: Sequence[str]) -> NDArray[np.float64]:
        look = model.look(images, details=True)
        draw_overlays(prediction.source.root, names, look, prediction.decision.threshold.value, prediction.folder)
        return look.per_fold

    return with_overlays


def _write(prediction: Prediction, journal: Journal) -> dict[str, int]:
    """predictions.csv, and unreadable.csv if there are such; how many images of which kind."""
    threshold, folds = prediction.decision.threshold, prediction.facts["folds"]
    counts = {"anomalous": 0, "normal": 0, "unreadable": 0}

    def rows() -> Iterator[list[str]]:
        for record in journal.records():
            if "reason" in record:
                continue
            each = record["probabilities"]
            probability = sum(each) / len(each)
            decision = "anomalous" if probability > threshold.value else "normal"
            counts[decision] += 1
            members = [f"{value:.9g}" for value in each] if len(folds) > 1 else []
            yield [
                as_cell(record["file"]),
                f"{probability:.9g}",
                decision,
                f"{threshold.value:.9g}",
                threshold.by,
                *members,
            ]

    members = [f"fold{fold}" for fold in folds] if len(folds) > 1 else []
    columns = ["file", "probability", "decision", "threshold", "threshold_by", *members]
    write_rows(prediction.folder / PREDICTIONS, columns, rows())
    if next(_unreadable(prediction, journal), None):
        unreadable = _unreadable(prediction, journal)
        counts["unreadable"] = write_rows(prediction.folder / UNREADABLE, ["file", "reason"], unreadable)
    return counts


def _unreadable(prediction: Prediction, journal: Journal) -> Iterator[tuple[str, str]]:
    """The files that give no image, and why."""
    yield from ((as_cell(record["file"]), record["reason"]) for record in journal.records() if "reason" in record)
    yield from ((as_cell(name), why_not_read(name)) for name in prediction.source.not_read)
