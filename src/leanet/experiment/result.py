"""The content of result.json."""

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
from leanet.runs.at_once import at_once
from leanet.runs.run import Run
from leanet.training.batches import Tensors
from leanet.training.device import device_of, name_of, precision_on

PACKAGES = ("leanet", "torch", "lightning", "timm", "kornia", "torchmetrics", "numpy")


def result_of(
    run: Run, last_epochs: LastEpochs, labels: NDArray[np.int64], rows: Split, seconds: float
) -> dict[str, Any]:
    """Scores, counts and settings by the names of result.json; without test scores if there are no test images.

    Args:
        run: the run.
        last_epochs: its predictions.
        labels: (N,) of all images of the dataset, 0 normal and 1 anomalous.
        rows: of training, validation and test images.
        seconds: of the training.
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
        "division": dict(run.division) or None,
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
    """Device, precision, versions, and how many runs share the machine; the first ones may change the last digits."""
    trainer = run.settings.trainer
    device = device_of(trainer.accelerator)
    return {
        "device": name_of(device),
        "precision": precision_on(device, trainer.precision),
        "at_once": at_once(),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
    }


def version_of(package: str) -> str:
    """The installed version of a package; without metadata, as for a checkout of leanet, its `__version__`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(import_module(package), "__version__", "unknown"))


def _colorizer(run: Run) -> str | list[str] | None:
    """The name of the map maker's folder; a list of names if there are several or maps are from features."""
    names = [folder.name for folder in run.maker_folders]
    return names[0] if run.settings.has_colorizer and run.settings.cross_fit is None else names or None


def _tested(last_epochs: LastEpochs, labels: Tensor) -> dict[str, Any]:
    """Scores on the test images, and after each of the last epochs."""
    history, tested = last_epochs.history, last_epochs.tested
    heads = {head: _head_result(tested[head], [epoch[head] for epoch in history], labels) for head in tested}
    return {**heads["adn"], "floor": floor(labels), "caan": heads.get("caan")}


def _together(evidence: dict[str, Tensors], test: Tensor, validation: Tensor) -> dict[str, Any]:
    """Scores on the test images by both heads: their mean, and a weighting fitted on the validation images."""
    found = {
        "combined": combined(evidence["test"]),
        "weighted": weighted(evidence["test"], evidence["validation"], validation),
    }
    return {name: None if values is None else scores(values, test) for name, values in found.items()}


def _validated(last_epochs: LastEpochs, labels: NDArray[np.int64]) -> dict[str, Any] | None:
    """Scores on the validation images; None if there are none."""
    return scores(last_epochs.validated["adn"], torch.from_numpy(labels)) if len(labels) else None


def _thresholded(last_epochs: LastEpochs, labels: NDArray[np.int64], rows: Split) -> dict[str, float]:
    """The threshold with the largest F1 on the validation images, and F1 on the test images at this threshold."""
    found = {part: getattr(last_epochs, part)["adn"].double().numpy() for part in ("validated", "tested")}
    threshold = best_f1(found["validated"], labels[rows.validation]).value
    return {"threshold": threshold, "f1": f1_above(threshold, found["tested"], labels[rows.test])}


def _counts(labels: NDArray[np.int64]) -> dict[str, int]:
    return {"negative": int((labels == NEGATIVE).sum()), "positive": int((labels == POSITIVE).sum())}


def _positives_of_all(labels: NDArray[np.int64], rows: Split) -> float:
    """The share of positives as in Fig. 4: positives after thinning, divided by all training images before it."""
    return _counts(labels[rows.train])["positive"] / len(rows.all_train)


def _head_result(tested: Tensor, epochs: list[Tensor], labels: Tensor) -> dict[str, Any]:
    """Scores, with mean and SD of F1 over the last epochs."""
    f1 = [scores(found, labels)["f1"] for found in epochs]
    sd = statistics.stdev(f1) if len(f1) > 1 else 0.0
    return {**scores(tested, labels), "last_epochs": {"f1": f1, "mean": statistics.mean(f1), "sd": sd}}


def trainable(network: torch.nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
