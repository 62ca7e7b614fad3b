"""python -m leanet.predict: ask a run, a model or a whole cell about image files."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from leanet import __version__, command
from leanet.errors import LeanetError
from leanet.locks import lock
from leanet.model.decision import Decision, Rule, decide
from leanet.model.find import Found, find
from leanet.model.stream import JOURNAL, PREDICTIONS, UNREADABLE, Journal, Source, ask_about, write_rows
from leanet.model.threshold import RULES
from leanet.settings import BOOLEAN, POSITIVE, SHARE, TEXT, one_of, read_settings
from leanet.settings import Rule as Value
from leanet.store import identity, read_json, write_json

if TYPE_CHECKING:
    from leanet.model.load import Model

DONE = "prediction.json"

THRESHOLD = Value(
    lambda v: v in RULES or (type(v) in (int, float) and 0 <= v <= 1), f"a number from 0 to 1, {', '.join(RULES)}"
)


@dataclass(frozen=True)
class CostSettings:
    """What each mistake costs, in any unit."""

    false_alarm: Annotated[float, POSITIVE]
    miss: Annotated[float, POSITIVE]


@dataclass(frozen=True)
class RunPaths:
    runs: Annotated[str, TEXT]


@dataclass(frozen=True)
class PredictSettings:
    """The whole of conf/predict.yaml."""

    run: Annotated[str | None, TEXT]
    source: Annotated[str | None, TEXT]
    out: Annotated[str | None, TEXT]
    threshold: Annotated[float | str, THRESHOLD]
    recall: Annotated[float, SHARE]
    cost: CostSettings
    calibration: Annotated[str, one_of("none", "temperature")]
    overlays: Annotated[bool, BOOLEAN]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "mps")]
    trust: Annotated[bool, BOOLEAN]
    paths: RunPaths

    @property
    def rule(self) -> Rule:
        calibrated = self.calibration == "temperature"
        return Rule(self.threshold, self.recall, self.cost.false_alarm, self.cost.miss, calibrated)


@dataclass(frozen=True)
class Prediction:
    """What is to be done: the files, the networks, the decision. Everything that changes a row is in its identity."""

    settings: PredictSettings
    source: Source
    found: Found
    decision: Decision

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What prediction.json says first."""
        threshold, runs = self.decision.threshold, [member.result for member in self.found.members]
        calibration = self.decision.calibration
        return {
            "source": str(Path(str(self.settings.source)).expanduser().resolve()),
            "dataset": runs[0]["dataset"],
            "model": runs[0]["model"],
            "cell": runs[0]["cell"],
            "runs": [run["run"] for run in runs],
            "folds": [run["fold"] for run in runs],
            "folds_of_cell": self.found.folds if self.found.is_cell else None,
            "threshold": threshold._asdict(),
            "calibration": calibration
            and {
                "temperature": calibration.temperature,
                "images": calibration.images,
                "error_before": calibration.before,
                "error_after": calibration.after,
                "crossfitted": calibration.crossfitted,
            },
            "overlays": self.settings.overlays,
        }

    @cached_property
    def id(self) -> str:
        return identity({**self.facts, "files": self.source.digest})

    @property
    def folder(self) -> Path:
        """`out`, or one named after the source and the model that ends in the identity."""
        if self.settings.out:
            return Path(self.settings.out).expanduser()
        name = f"{Path(self.facts['source']).stem}-{self.found.name.replace('@', '-point')}-{self.id}"
        return Path(self.settings.paths.runs) / "predictions" / name


def predict(config: dict[str, Any]) -> None:
    """Do what is missing of a prediction, and say what came of it."""
    settings: PredictSettings = read_settings(PredictSettings, config)
    if settings.run is None or settings.source is None:
        missing = "run" if settings.run is None else "source"
        raise LeanetError(f"{missing}= is missing: give run=RUN_OR_CELL source=FILE_OR_FOLDER, or --help for more")
    found = find(settings.run, Path(settings.paths.runs).expanduser())
    source = Source.of(Path(settings.source).expanduser())
    prediction = Prediction(settings, source, found, decide(settings.rule, found))
    if len(found.members) < found.folds:
        print(f"{found.name}: {len(found.members)} of {found.folds} folds are done, and answer together")
    with lock(prediction.folder, lambda: print(f"{prediction.folder}: another process is at it; waiting")):
        done = read_json(prediction.folder / DONE)
        if done is None:
            done = _do(prediction)
        elif done["id"] != prediction.id:
            raise LeanetError(
                f"{prediction.folder} holds a prediction by other settings or of other files; give another out=DIR"
            )
        else:
            print("all done before, nothing to predict")
        (prediction.folder / JOURNAL).unlink(missing_ok=True)
    _report(prediction, done)


def _do(prediction: Prediction) -> dict[str, Any]:
    """Ask about the files that are left, then write the results, prediction.json last."""
    settings, folder = prediction.settings, prediction.folder
    journal = Journal(folder / JOURNAL, prediction.id, len(prediction.source.names))
    try:
        if journal.done < len(prediction.source.names):
            from leanet.model.load import Model  # here, since it imports torch: all mistakes are told by now

            model = Model(prediction.found, prediction.decision, settings.accelerator, settings.trust)
            if journal.done:
                print(f"going on after {journal.done} of {len(prediction.source.names)} files")
            ask_about(prediction.source, model.image_size, journal, _asker(prediction, model))
    finally:
        journal.close()
    if prediction.decision.calibration:
        from leanet.model.reliability import draw_reliability

        draw_reliability(prediction.decision, folder / "reliability.png")
    counts = _write(prediction, journal)
    done = {
        "id": prediction.id,
        **prediction.facts,
        "images": counts,
        "versions": {"python": platform.python_version(), "leanet": __version__},
    }
    write_json(folder / DONE, done)
    return done


def _asker(prediction: Prediction, model: "Model") -> Any:
    """What to ask the model of a batch: probabilities, and where overlays are wanted all that it sees."""
    if not prediction.settings.overlays:
        return lambda images, names: model.look(images).per_fold

    from leanet.model.overlay import draw_overlays

    def ask(images: Any, names: Any) -> Any:
        look = model.look(images, details=True)
        draw_overlays(prediction.source.root, names, look, prediction.decision.threshold.value, prediction.folder)
        return look.per_fold

    return ask


def _write(prediction: Prediction, journal: Journal) -> dict[str, int]:
    """predictions.csv, and unreadable.csv if there are such; how many images of which kind."""
    threshold, folds = prediction.decision.threshold, prediction.facts["folds"]
    counts = {"anomalous": 0, "normal": 0, "unreadable": 0}

    def rows() -> Iterator[list[Any]]:
        for record in journal.records():
            if "reason" in record:
                continue
            each = record["probabilities"]
            probability = sum(each) / len(each)
            decision = "anomalous" if probability > threshold.value else "normal"
            counts[decision] += 1
            members = [f"{value:.9g}" for value in each] if len(folds) > 1 else []
            yield [record["file"], f"{probability:.9g}", decision, f"{threshold.value:.9g}", threshold.by, *members]

    members = [f"fold{fold}" for fold in folds] if len(folds) > 1 else []
    columns = ["file", "probability", "decision", "threshold", "threshold_by", *members]
    write_rows(prediction.folder / PREDICTIONS, columns, rows())
    if any("reason" in record for record in journal.records()):
        unread = ((record["file"], record["reason"]) for record in journal.records() if "reason" in record)
        counts["unreadable"] = write_rows(prediction.folder / UNREADABLE, ["file", "reason"], unread)
    return counts


def _report(prediction: Prediction, done: dict[str, Any]) -> None:
    threshold, counts = done["threshold"], done["images"]
    print(f"\n{prediction.found.name}: {counts['anomalous']} anomalous, {counts['normal']} normal")
    print(f"threshold {threshold['value']:.4g} ({_how(threshold)})")
    if done["calibration"]:
        print(_calibrated(done["calibration"]))
    print(f"written: {prediction.folder / PREDICTIONS}")
    if counts["unreadable"]:
        print(f"{counts['unreadable']} files cannot be read; which, and why: {prediction.folder / UNREADABLE}")


def _how(threshold: dict[str, Any]) -> str:
    if not threshold["images"]:
        return str(threshold["by"])
    return f"{threshold['by']}, {threshold['reached']:.3g} on {threshold['images']} validation answers"


def _calibrated(found: dict[str, Any]) -> str:
    how = "by cross-fitting" if found["crossfitted"] else "on the images it was fitted on"
    return (
        f"calibrated: temperature {found['temperature']:.3g} from {found['images']} validation answers; expected "
        f"calibration error {found['error_before']:.3f} before, {found['error_after']:.3f} after ({how})"
    )


def main() -> None:
    command.take_literally("run", "source", "out")
    command.run(predict, "predict", PredictSettings)


if __name__ == "__main__":
    main()
