"""Predict files and write the results. A prediction is done once, and resumed if it was killed."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leanet.data.files import why_not_read
from leanet.errors import LeanetError
from leanet.model.decision import Decision
from leanet.model.find import FoundModel
from leanet.model.reference import FarImages, Reference, reference_of
from leanet.model.stream import BATCH, Answers, Journal, PredictBatch, Source, predict_source, write_rows
from leanet.model.trained_on import is_among, trained_on
from leanet.model.view import View, grid_of
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
    """A prediction to make. Everything that changes a row of the results is part of its identity.

    Args:
        found: the run, model or cell.
        source: the files.
        decision: threshold and calibration.
        overlays: whether to draw overlays.
        runs: `paths.runs`, for the results' folder if `out` is None.
        out: the folder of the results.
    """

    found: FoundModel
    source: Source
    decision: Decision
    overlays: bool
    runs: Path
    out: Path | None = None

    @cached_property
    def facts(self) -> Facts:
        """The settings that prediction.json records."""
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
            **({} if self.reference is None else {"reference": self.reference.digest}),
        }

    @cached_property
    def reference(self) -> Reference | None:
        """Of the model's training images, to which the distance of each image is computed."""
        return reference_of(self.found)

    @cached_property
    def id(self) -> str:
        """12 hex digits of a hash over settings and files."""
        return identity({**self.facts, "files": self.source.digest})

    @cached_property
    def folder(self) -> Path:
        """The folder of the results: `out`, or a folder named after source, model and identity."""
        stem = os.fsencode(self.source.path.resolve().stem)[:100].decode(errors="ignore")
        name = f"{stem}-{self.found.name.replace('@', '-point')}-{self.id}"
        return self.out or self.runs / "predictions" / name


def run_prediction(prediction: Prediction, accelerator: str = "auto", trust: bool = False) -> Facts:
    """Make a prediction; a finished one is only read, and a killed one is resumed.

    Args:
        prediction: what to predict.
        accelerator: as for `load`.
        trust: as for `load`.

    Returns:
        the content of prediction.json.

    Raises:
        LeanetError: the folder holds another prediction, or the networks cannot be loaded.
    """
    folder = prediction.folder
    with lock(folder, lambda: print(f"{folder}: waiting for the process that is making this prediction")):
        done: Facts | None = read_json(folder / DONE)
        if done is None:
            done = _do(prediction, accelerator, trust)
        elif not isinstance(done, dict) or "threshold" not in done:
            raise damaged(folder / DONE)
        elif done["id"] == prediction.id:
            print("all done before, nothing to predict")
        else:
            raise LeanetError(
                f"{folder} holds a prediction with other settings or of other files; give another out=DIR"
            )
        (folder / JOURNAL).unlink(missing_ok=True)
    return done


def _do(prediction: Prediction, accelerator: str, trust: bool) -> Facts:
    """Predict the remaining files, then write the results, prediction.json last."""
    folder, names = prediction.folder, prediction.source.names
    batch = BATCH if grid_of(prediction.found) is None else 1  # the tiles of an image fill a batch
    journal = Journal(folder / JOURNAL, prediction.id, len(names), batch)
    try:
        if journal.done < len(names):
            from leanet.model.load import Model  # here, since it imports torch: all mistakes are reported before

            model = Model(prediction.found, prediction.decision, accelerator, trust)
            if journal.done:
                print(f"resuming after {journal.done} of {len(names)} files")
            predict_source(prediction.source, model.view, journal, _predict_batch(prediction, model))
    finally:
        journal.close()
    if prediction.decision.calibration:
        from leanet.model.reliability import draw_reliability  # here, since it imports matplotlib

        draw_reliability(prediction.decision, folder / RELIABILITY)
    images, far = _write(prediction, journal)
    versions = {"python": platform.python_version(), "leanet": __version__}
    done = {"id": prediction.id, **prediction.facts, "images": images, "distance": far, "versions": versions}
    write_json(folder / DONE, done)
    return done


def _predict_batch(prediction: Prediction, model: "Model") -> PredictBatch:
    """The function that predicts a batch, and draws its overlays if they are wanted."""

    def probabilities(views: Sequence[View], names: Sequence[str]) -> Answers:
        look = model.look(views)
        return look.per_fold, look.distances

    if not prediction.overlays:
        return probabilities

    from leanet.model.overlay import draw_overlays, sweep  # here, since they import matplotlib

    sweep(prediction.folder)

    def with_overlays(views: Sequence[View], names: Sequence[str]) -> Answers:
        look = model.look(views, details=True)
        threshold = prediction.decision.threshold.value
        is_cut = model.grid is not None
        draw_overlays(prediction.source.root, names, look, threshold, prediction.folder, model.fit, is_cut)
        return look.per_fold, look.distances

    return with_overlays


def _write(prediction: Prediction, journal: Journal) -> tuple[dict[str, int], Facts | None]:
    """Write predictions.csv and, if needed, unreadable.csv.

    Returns:
        the number of images of each kind, where `trained_on` counts images that the model was trained on, which are
        among the others; and how many images are far from the training images, None if that is not known.
    """
    far = FarImages(prediction.reference) if prediction.reference else None
    threshold, folds = prediction.decision.threshold, prediction.facts["folds"]
    counts = {"anomalous": 0, "normal": 0, "unreadable": 0, "trained_on": 0}
    known = trained_on(prediction.found)

    def rows() -> Iterator[list[str]]:
        for record in journal.records():
            if "reason" in record:
                continue
            each = record["probabilities"]
            probability = sum(each) / len(each)
            decision = "anomalous" if probability > threshold.value else "normal"
            counts[decision] += 1
            members = [f"{value:.9g}" for value in each] if len(folds) > 1 else []
            is_known = is_among(prediction.source.root / record["file"], known)
            counts["trained_on"] += is_known
            yield [
                as_cell(record["file"]),
                f"{probability:.9g}",
                decision,
                f"{threshold.value:.9g}",
                threshold.by,
                "yes" if is_known else "",
                *(far.add(record.get("distance")) if far else ()),
                *members,
            ]

    members = [f"fold{fold}" for fold in folds] if len(folds) > 1 else []
    columns = ["file", "probability", "decision", "threshold", "threshold_by", "trained_on"]
    columns += [*(("distance", "distance_quantile") if far else ()), *members]
    write_rows(prediction.folder / PREDICTIONS, columns, rows())
    if next(_unreadable(prediction, journal), None):
        unreadable = _unreadable(prediction, journal)
        counts["unreadable"] = write_rows(prediction.folder / UNREADABLE, ["file", "reason"], unreadable)
    return counts, None if far is None else far.facts


def _unreadable(prediction: Prediction, journal: Journal) -> Iterator[tuple[str, str]]:
    """Name and reason of each file that cannot be read."""
    yield from ((as_cell(record["file"]), record["reason"]) for record in journal.records() if "reason" in record)
    yield from ((as_cell(name), why_not_read(name)) for name in prediction.source.not_read)
