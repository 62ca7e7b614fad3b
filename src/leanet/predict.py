"""python -m leanet.predict: predict image files with a run, a model or all folds of a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.rules import BOOLEAN, PATH, POSITIVE, SHARE, one_of
from leanet.config.settings import RunPaths
from leanet.errors import LeanetError
from leanet.model.decision import THRESHOLD, DecisionRule, decide
from leanet.model.find import find
from leanet.model.prediction import PREDICTIONS, UNREADABLE, Prediction, run_prediction
from leanet.model.reference import CHANCE, FAR, LEVEL
from leanet.model.stream import Source
from leanet.report.csv_files import csv_rows

_MANY = 10  # images of which not all should be called the same


@dataclass(frozen=True)
class CostSettings:
    """The costs of a false alarm and of a miss, in any unit."""

    false_alarm: Annotated[float, POSITIVE]
    miss: Annotated[float, POSITIVE]


@dataclass(frozen=True)
class PredictSettings:
    """All settings of conf/predict.yaml."""

    run: Annotated[str | None, PATH]
    source: Annotated[str | None, PATH]
    out: Annotated[str | None, PATH]
    threshold: Annotated[float | str, THRESHOLD]
    recall: Annotated[float, SHARE]
    cost: CostSettings
    calibration: Annotated[str, one_of("none", "temperature")]
    overlays: Annotated[bool, BOOLEAN]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "mps")]
    trust: Annotated[bool, BOOLEAN]
    paths: RunPaths

    @property
    def rule(self) -> DecisionRule:
        """How the threshold is chosen."""
        calibrated = self.calibration == "temperature"
        return DecisionRule(self.threshold, self.recall, self.cost.false_alarm, self.cost.miss, calibrated)


def predict(config: dict[str, Any]) -> None:
    """Make or resume a prediction, and print its results.

    Args:
        config: resolved configuration of conf/predict.yaml.

    Raises:
        LeanetError: no such run or files, or no validation images for the threshold.
    """
    settings: PredictSettings = read_settings(PredictSettings, config)
    if settings.run is None or settings.source is None:
        missing = "run" if settings.run is None else "source"
        raise LeanetError(f"{missing}= is missing: give run=RUN_OR_CELL source=FILE_OR_FOLDER, or --help for more")
    runs = Path(settings.paths.runs)
    found = find(settings.run, runs)
    source = Source.of(Path(settings.source))
    out = Path(settings.out) if settings.out else None
    prediction = Prediction(found, source, decide(settings.rule, found), settings.overlays, runs, out)
    if len(found.members) < found.folds:
        print(f"{found.name}: {len(found.members)} of {found.folds} folds are done; their predictions are averaged")
    _report(prediction, run_prediction(prediction, settings.accelerator, settings.trust))


def _report(prediction: Prediction, done: dict[str, Any]) -> None:
    threshold, counts = done["threshold"], done["images"]
    print(f"\n{prediction.found.name}: {counts['anomalous']} anomalous, {counts['normal']} normal")
    print(f"threshold {threshold['value']:.4g} ({_how(threshold)})")
    rows = csv_rows(prediction.folder / PREDICTIONS) if counts["anomalous"] + counts["normal"] == 1 else []
    for line in [*_warnings(counts), *_distance(prediction, done.get("distance"), rows)]:
        print(line)
    for row in rows:
        print(f"{row['file']}: P(anomalous) {float(row['probability']):.3f}")
    if done["calibration"]:
        print(_calibrated(done["calibration"]))
    print(f"written: {prediction.folder / PREDICTIONS}")
    if prediction.source.left_out:
        print(prediction.source.left_out)
    if counts["unreadable"]:
        print(f"{counts['unreadable']} files cannot be read; which, and why: {prediction.folder / UNREADABLE}")


def _warnings(counts: dict[str, int]) -> list[str]:
    """What is suspicious about a prediction."""
    found, images = [], counts["anomalous"] + counts["normal"]
    if known := counts.get("trained_on"):  # not in predictions of older versions
        found.append(
            f"{known} of these images were used to train the model: how it does on them says nothing of new images"
        )
    if images >= _MANY and images in (counts["anomalous"], counts["normal"]):
        kind = "anomalous" if counts["anomalous"] else "normal"
        found.append(
            f"all images are called {kind}; if that is wrong, choose another threshold: threshold=0.3, or f1, recall "
            "or cost for models that were fitted with validation=0.2"
        )
    return found


def _distance(prediction: Prediction, far: dict[str, Any] | None, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Whether the images look like those that the model was trained on; `rows` has the row of a single image."""
    if prediction.reference is None:
        is_model = all(member.is_model for member in prediction.found.members)
        why = (
            "it was fitted by an older version, or to few images; leanet.fit adds them"
            if is_model
            else ("it is no model of leanet.fit")
        )
        return [f"no distances from the training images: {why}"]
    if far is None:
        return []
    if rows:
        distance, quantile = float(rows[0]["distance"]), float(rows[0]["distance_quantile"])
        warned = "; it looks unlike them: its prediction may be wrong" if quantile >= FAR else ""
        return [f"distance {distance:.2f}, farther than {quantile:.0%} of the training images{warned}"]
    warned = ""
    if far["chance"] < CHANCE:
        warned = "; they look unlike the training images: their predictions may be wrong"
    are = "is" if far["far"] == 1 else "are"
    return [
        f"{far['far']} of {far['images']} images {are} farther from the training images than {LEVEL:.0%} of these "
        f"({far['expected']:.1f} expected){warned}"
    ]


def _how(threshold: dict[str, Any]) -> str:
    if not threshold["images"]:
        return str(threshold["by"])
    return f"{threshold['by']}, {threshold['reached']:.3g} on {threshold['images']} validation predictions"


def _calibrated(found: dict[str, Any]) -> str:
    how = "by cross-fitting" if found["crossfitted"] else "on the images it was fitted on"
    return (
        f"calibrated: temperature {found['temperature']:.3g} from {found['images']} validation predictions; expected "
        f"calibration error {found['error_before']:.3f} before, {found['error_after']:.3f} after ({how})"
    )


def main() -> None:
    run_command(predict, "predict", PredictSettings)


if __name__ == "__main__":
    main()
