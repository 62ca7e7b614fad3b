"""One run: fold ─► maps ─► fit ─► predict ─► result.json."""

import csv
import io
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor

from leanet.colorizer.maps import map_divisor, map_scales
from leanet.data.batches import DeviceData, Parts, Tensors, choose
from leanet.data.folds import held_out, thinned
from leanet.data.images import NEGATIVE, POSITIVE, ImageSet
from leanet.detector.averaging import WeightAverage
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.epochs import BestEpoch, LastEpochs
from leanet.detector.heads import combined, weighted
from leanet.detector.loss import balance_of
from leanet.detector.scores import floor, scores
from leanet.detector.task import DetectorTask, fit_itself
from leanet.detector.threshold import best_f1, f1_above
from leanet.fitting import CHECKPOINT, Fit, fit, load_weights, save_tensors
from leanet.locks import ensure_held, lock
from leanet.loggers import LogSettings, close, log_cell, logger_of
from leanet.run_maps import maps_of, recolored_of
from leanet.runs import ALL, RESULT, Run
from leanet.seeds import derive
from leanet.sheet import Panel, choose_rows, draw_sheet
from leanet.store import write_atomically, write_json, write_text

PACKAGES = ("leanet", "torch", "lightning", "timm", "kornia", "torchmetrics", "numpy")

Rows = NDArray[np.int64]


def run_fold(run: Run, images: ImageSet, fold_of: Rows, say: Callable[[str], object] = print) -> dict[str, Any]:
    """Do `run` and return its result; a run that is done is only read, one that was killed goes on.

    Args:
        images: all images of the dataset.
        fold_of: (N,) the fold of each, 1…folds; those of `run.fold` are the test images, all others train. A run of all
            images has none to test, and so neither scores nor predictions.
        say: told what a person should know while waiting.
    """
    label = run.part
    with lock(run.folder, on_wait=lambda: say(f"{label}: waiting for the process that is doing this run")):
        if run.result is not None:
            return run.result
        write_text(run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(_config(run))))
        network = detector_of(run.settings, run.fold)  # first of all, since its names may be wrong
        rows = split_of(run, images, fold_of)
        balance = balance_of(run.settings.trainer.balance, torch.from_numpy(images.labels[rows.train]))
        task = DetectorTask(network, run.settings.adn.lr, balance)
        tensors = tensors_of(run, images, rows, label, say)
        train, test, validation = (
            choose(tensors, torch.from_numpy(part)) for part in (rows.train, rows.test, rows.validation)
        )

        averaging, select = run.settings.trainer.averaging, run.settings.trainer.select
        average = None if averaging == "none" else WeightAverage(averaging)
        best = None if select == "last" else BestEpoch(select, validation, average)
        last_epochs = LastEpochs(_unlabelled(test), _unlabelled(validation), average, best)
        logger = logger_of(run)
        fitted = _fit if run.settings.has_epochs else _fit_at_once
        seconds = fitted(run, task, train, last_epochs, logger, label)
        if run.settings.trainer.devices > 1:  # whose processes have ended it
            logger = logger_of(run)

        _write_found(run, images, rows, last_epochs)
        if len(rows.test):
            _write_sheet(run, images, rows.test, task, test, last_epochs.tested["adn"])
        result = {
            **_result(run, last_epochs, images.labels, rows, seconds),
            "map_divisor": _divisor(run, tensors["maps"], rows) if run.needs_maps else None,
            "parameters": trainable(network),
        }
        close(logger, run.folder, result)
        write_json(run.folder / RESULT, result)
    if run.fold != ALL:
        log_cell(logger, run)
    return result


def load_task(run: Run) -> DetectorTask:
    """The detector that the finished `run` ended with, ready to be asked, on the CPU.

    Raises:
        LeanetError: its checkpoint is gone, or of other networks than its settings name.
    """
    with without_weights():
        task = DetectorTask(detector_of(run.settings, run.fold), run.settings.adn.lr)
    load_weights(run.folder, task)
    return task.eval()


class Split(NamedTuple):
    """Rows of a fold's images.

    Args:
        train: those that train the detector.
        all_train: those that could; their normals train the colorizer.
        validation: those of the training folds that nothing trains on.
        test: those of the test fold.
    """

    train: Rows
    all_train: Rows
    validation: Rows
    test: Rows


def split_of(run: Run, images: ImageSet, fold_of: Rows) -> Split:
    """The run's rows among all `images`, whose folds are `fold_of` (N,)."""
    settings, known = run.settings, (images.labels, images.pixels)
    rows, validation = held_out(np.flatnonzero(fold_of != run.fold), *known, settings.validation, settings.split_seed)
    train = thinned(rows, *known, settings.positive_rate, settings.split_seed)
    if len(validation):
        validation = thinned(validation, *known, settings.positive_rate, settings.split_seed)
    return Split(train, rows, validation, np.flatnonzero(fold_of == run.fold))


def _config(run: Run) -> dict[str, Any]:
    return {**asdict(run.settings), "fold": None if run.fold == ALL else run.fold}


def tensors_of(
    run: Run, images: ImageSet, rows: Split, label: str = "", say: Callable[[str], object] = print
) -> Tensors:
    """Images, labels and, where there is a use for them, maps and their scales, of all rows."""
    tensors = {"images": torch.from_numpy(images.images), "labels": torch.from_numpy(images.labels)}
    if run.needs_maps:
        normals = rows.all_train[images.labels[rows.all_train] == NEGATIVE]
        maps = maps_of(run, images, normals, label, say)
        tensors |= {"maps": maps, "scales": map_scales(maps, _divisor(run, maps, rows))}
    return tensors


def _divisor(run: Run, maps: Tensor, rows: Split) -> float | None:
    return map_divisor(maps, run.settings.map.scaling, torch.from_numpy(rows.train))


def _unlabelled(tensors: Parts) -> Parts:
    return {key: value for key, value in tensors.items() if key != "labels"}


def trainable(network: torch.nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _fit(run: Run, task: DetectorTask, train: Parts, last_epochs: LastEpochs, logger: Logger, label: str) -> float:
    settings = run.settings.trainer
    seed = derive(run.settings.seed, "fold", run.fold)
    plan = Fit(run.folder, f"{label} · {run.model}", settings.max_epochs, seed, settings)
    data = DeviceData(train, settings.batch_size, seed)
    if settings.compile and torch.cuda.is_available():
        task.network.compile(mode="reduce-overhead")  # with CUDA graphs
    first = [callback for callback in (last_epochs.average, last_epochs.best) if callback]  # which it asks
    return fit(task, data, plan, logger, [*first, last_epochs, LogSettings(_config(run))])


def _fit_at_once(
    run: Run, task: DetectorTask, train: Parts, last_epochs: LastEpochs, logger: Logger, label: str
) -> float:
    """In place of `_fit` for an ADN that fits itself. Nothing in it is drawn: one that was killed begins again."""
    begun = time.monotonic()
    logger.log_hyperparams(_config(run))
    fit_itself(task, train)
    last_epochs.ask(task)
    ensure_held(run.folder)
    save_tensors(run.folder / CHECKPOINT, {"state_dict": task.state_dict()})
    return time.monotonic() - begun


def _write_found(run: Run, images: ImageSet, rows: Split, last_epochs: LastEpochs) -> None:
    """predictions.csv and validation.csv, and the test images' attention maps in attention.npy."""
    if len(rows.test):
        _write_predictions(run.folder / "predictions.csv", images, rows.test, last_epochs.tested)
    if len(rows.validation):
        _write_predictions(run.folder / "validation.csv", images, rows.validation, last_epochs.validated)
    if last_epochs.attention is not None:
        attention = last_epochs.attention.numpy()
        write_atomically(run.folder / "attention.npy", lambda out: np.save(out, attention))


def _write_predictions(file: Path, images: ImageSet, rows: Rows, found: Tensors) -> None:
    """P(anomalous) of each image by the ADN and by CAAN's own head, to the last bit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "sha256", "label", *found])
    for place, row in enumerate(rows):
        values = [f"{float(found[head][place]):.9g}" for head in found]
        writer.writerow([images.index.names[row], images.index.sha256[row], int(images.labels[row]), *values])
    write_text(file, out.getvalue())


def _result(
    run: Run, last_epochs: LastEpochs, labels: NDArray[np.int64], rows: Split, seconds: float
) -> dict[str, Any]:
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
        "model": run.model,
        "fold": run.fold,
        "folds": run.settings.folds,
        "image_size": run.settings.image_size,
        "epochs": run.settings.trainer.max_epochs if run.settings.has_epochs else 0,
        "selected_epoch": last_epochs.best.epoch if last_epochs.best else None,
        "images": {part: _counts(labels[getattr(rows, part)]) for part in ("train", "validation", "test")},
        "positives_of_all": _positives_of_all(labels, rows),
        "seconds": round(seconds, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _colorizer(run: Run) -> str | list[str] | None:
    """The name of its colorizer's folder, or the names where it is cross-fitted."""
    names = [folder.name for folder in run.colorizer_folders]
    return names[0] if run.has_colorizer and run.cross_fit is None else names or None


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


def _write_sheet(run: Run, images: ImageSet, test: Rows, task: DetectorTask, tensors: Parts, found: Tensor) -> None:
    """sheet.png: some test images with everything that was made of them."""
    chosen = choose_rows(images.labels[test], found.numpy(), rows=8)
    batch = {key: value[chosen] for key, value in tensors.items()}
    task.eval()
    with torch.inference_mode():
        attention = task(batch).attention
    colored = recolored_of(run, batch["images"]) if run.has_colorizer else None
    panels = [
        Panel(
            name=images.index.names[test[row]],
            label=int(images.labels[test[row]]),
            probability=float(found[row]),
            image=images.images[test[row]],
            recoloured=None if colored is None else colored[place],
            difference=batch["maps"][place, 0].float().numpy() if "maps" in batch else None,
            attention=None if attention is None else attention[place, 0].numpy(),
        )
        for place, row in enumerate(chosen)
    ]
    draw_sheet(panels, f"{run.settings.dataset_name} · {run.model} · fold {run.fold}", run.folder / "sheet.png")
