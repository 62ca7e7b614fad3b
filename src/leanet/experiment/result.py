"""What result.json says of a run that is done."""

import platform
import statistics
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.detector.heads import combined, weighted
from leanet.detector.last_epochs import LastEpochs
from leanet.detector.scores import floor, scores
from leanet.detector.threshold import best_f1, f1_above
from leanet.experiment.split import Split
from leanet.runs.run import Run
from leanet.training.batches import Tensors
from leanet.training.device import device_of, name_of, precision_on

PACKAGES = ("leanet", "torch", "lightning", "timm", "kornia", "torchmetrics", "numpy")


def result_of(
    run: Run, last_epochs: LastEpochs, labels: NDArray[np.int64], rows: Split, seconds: float
) -> dict[str, Any]:
    """Scores and counts, by result.json's names; without scores where `rows` has no test images.

    Args:
        labels: (N,) of all the dataset's images.
        seconds: that the training took.
    """
    return {
        **(_tested(last_epochs, torch.from_numpy(labels[rows.test])) if len(rows.test) else {}),
        "validation": _validated(last_epochs, labels[rows.validation]),
        **_together(last_epochs.evidence, *(torch.from_numpy(labels[part]) for part in (rows.test, rows.validation))),
        "attention_sd": last_epochs.attention_sd,
        "thresholded": _thresholded(last_epochs, labels, rows) if len(rows.test) and len(rows.validation) else None,
        "run": run.id,
        "cell": run.cell,
        "colorizer": _colorizer(run),
        "dataset": run.settings.dataset_name,
        "root": run.settings.root,
        "fingerprint": run.fingerprint,
        "folds_file": run.folds_file,
        "split_seed": run.settings.split_seed,
        "seed": run.settings.seed,
        "model": run.model,
        "fold": run.fold,
        "folds": run.settings.folds,
        "image_size": run.settings.image_size,
        "epochs": run.settings.trainer.max_epochs if run.settings.has_epochs else 0,
        "selected_epoch": last_epochs.best.epoch if last_epochs.best else None,
        "images": {part: _counts(labels[getattr(rows, part)]) for part in ("train", "validation", "test")},
        "positives_of_all": _positives_of_all(labels, rows),
        "seconds": round(seconds, 3),
    }


def made_by(run: Run) -> dict[str, Any]:
    """The device, the precision in use there, and the versions: what may move the last digits of a result."""
    trainer = run.settings.trainer
    device = device_of(trainer.accelerator)
    return {
        "device": name_of(device),
        "precision": precision_on(device, trainer.precision),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
    }


def version_of(package: str) -> str:
    """As it is installed; of a package without metadata, such as a checkout of leanet, what it says itself."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(import_module(package), "__version__", "unknown"))


def _colorizer(run: Run) -> str | list[str] | None:
    """The name of its colorizer's folder, or the names where it is cross-fitted."""
    names = [folder.name for folder in run.maker_folders]
    return names[0] if run.settings.has_colorizer and run.settings.cross_fit is None else names or None


def _tested(last_epochs: LastEpochs, labels: Tensor) -> dict[str, Any]:
    """Scores on the test images, and after each of the last epochs."""
    history, tested = last_epochs.history, last_epochs.tested
    heads = {head: _head_result(tested[head], [epoch[head] for epoch in history], labels) for head in tested}
    return {**heads["adn"], "floor": floor(labels), "caan": heads.get("caan")}


def _together(evidence: dict[str, Tensors], test: Tensor, validation: Tensor) -> dict[str, Any]:
    """Scores on the test images by both heads' evidence: its mean, and weighed as the validation images say."""
    found = {
        "combined": combined(evidence["test"]),
        "weighted": weighted(evidence["test"], evidence["validation"], validation),
    }
    return {name: None if values is None else scores(values, test) for name, values in found.items()}


def _validated(last_epochs: LastEpochs, labels: NDArray[np.int64]) -> dict[str, Any] | None:
    """Scores on the validation images, if some were held out."""
    return scores(last_epochs.validated["adn"], torch.from_numpy(labels)) if len(labels) else None


def _thresholded(last_epochs: LastEpochs, labels: NDArray[np.int64], rows: Split) -> dict[str, float]:
    """The threshold of the largest F1 on the validation images, and F1 above it on the test images."""
    found = {part: getattr(last_epochs, part)["adn"].double().numpy() for part in ("validated", "tested")}
    threshold = best_f1(found["validated"], labels[rows.validation]).value
    return {"threshold": threshold, "f1": f1_above(threshold, found["tested"], labels[rows.test])}


def _counts(labels: NDArray[np.int64]) -> dict[str, int]:
    return {"negative": int((labels == NEGATIVE).sum()), "positive": int((labels == POSITIVE).sum())}


def _positives_of_all(labels: NDArray[np.int64], rows: Split) -> float:
    """Share of positives as on Figure 4's axis: those that are left, of all training images before the thinning."""
    return _counts(labels[rows.train])["positive"] / len(rows.all_train)


def _head_result(tested: Tensor, epochs: list[Tensor], labels: Tensor) -> dict[str, Any]:
    """The scores, and the mean and SD of F1 over the last epochs."""
    f1 = [scores(found, labels)["f1"] for found in epochs]
    sd = statistics.stdev(f1) if len(f1) > 1 else 0.0
    return {**scores(tested, labels), "last_epochs": {"f1": f1, "mean": statistics.mean(f1), "sd": sd}}


def trainable(network: torch.nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
