"""One run: fold ─► maps ─► fit ─► predict ─► result.json."""

import csv
import io
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from omegaconf import OmegaConf
from torch import Tensor

from leanet.data.images import ImageSet
from leanet.data.masks import Masks, masks_of
from leanet.detector.averaging import WeightAverage
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.frozen import Frozen
from leanet.detector.last_epochs import BestEpoch, LastEpochs
from leanet.detector.lea_net import LeaNet
from leanet.detector.loss import balance_of
from leanet.detector.task import DetectorTask, evidence_maps, fit_itself
from leanet.errors import LeanetError
from leanet.experiment.frozen_features import features_of
from leanet.experiment.kinds import by_kind
from leanet.experiment.localisation import localisation
from leanet.experiment.map_shift import map_shift
from leanet.experiment.maps import recolored_of, whole
from leanet.experiment.result import made_by, result_of, trainable
from leanet.experiment.split import Rows, Split, divisor_of, split_of, tensors_of
from leanet.pictures.sheet import Panel, choose_rows, draw_sheet
from leanet.runs.loggers import LogSettings, close, log_cell, logger_of
from leanet.runs.run import ALL, Run
from leanet.storage.files import as_cell, write_atomically, write_json, write_text
from leanet.storage.locks import ensure_held, lock
from leanet.storage.run_files import CHECKPOINT, RESULT, TRAINED_ON
from leanet.training.batches import DeviceData, Parts, Tensors, choose
from leanet.training.distributed import lead
from leanet.training.fit import FitPlan, fit, load_weights, save_tensors
from leanet.training.seeds import derive


def run_fold(run: Run, images: ImageSet, fold_of: Rows, say: Callable[[str], object] = print) -> dict[str, Any]:
    """Train and test the detector of one run, and return its result. A killed run resumes; a finished one is only read.

    Args:
        run: which detector, on which fold.
        images: all images of the dataset.
        fold_of: (N,) the fold of each image, 1…folds. Images of `run.fold` are tested, all others are trained on. A run
            on all images has no test images, and so neither scores nor predictions.
        say: receives messages.

    Returns:
        the content of result.json.

    Raises:
        LeanetError: settings, images or maps that do not fit.
    """
    lead()
    with lock(run.folder, on_wait=lambda: say(f"{run.part}: waiting for the process that is doing this run")):
        if run.result is not None:
            return run.result
        write_text(run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(_config(run))))
        made = made_by(run)
        logger = logger_of(run)
        _check_tiles(run, images)
        # Find mistakes before making maps and training, which may take hours.
        network = detector_of(run.settings, run.fold)
        if run.settings.has_epochs or run.settings.has_attention:
            _try_out(network, run.settings.image_size)
        masks = masks_of(run.settings.dataset.get("root"), images)
        if masks is not None and masks.incomplete:
            say(f"{run.part}: {masks.incomplete}")
        rows = split_of(run, images, fold_of)
        tensors = tensors_of(run, images, rows, run.part, say)
        if isinstance(network.adn, Frozen):
            tensors["features"] = features_of(run, network, tensors, run.part, say)
        divisor = divisor_of(run, tensors["maps"], rows) if run.settings.needs_maps else None
        found = _trained(run, images, rows, network, tensors, logger, masks)
        if run.settings.trainer.devices > 1:  # the training processes have closed the logger
            logger = logger_of(run)
        result = {**found, **made, "map_divisor": divisor, "parameters": trainable(network)}
        if images.tiles is not None:
            result["tiles"] = asdict(images.tiles.grid)
        close(logger, run.folder, result)
        write_json(run.folder / RESULT, result)
    if run.fold != ALL:
        log_cell(logger, run)
    return result


def _trained(
    run: Run,
    images: ImageSet,
    rows: Split,
    network: LeaNet,
    tensors: Tensors,
    logger: Logger,
    masks: Masks | None,
) -> dict[str, Any]:
    """Train `network`, write its predictions, and return its scores by the names of result.json."""
    parts = (rows.train, rows.test, rows.validation)
    train, test, validation = (choose(tensors, torch.from_numpy(part)) for part in parts)
    settings = run.settings.trainer
    balance = balance_of(settings.balance, torch.from_numpy(images.labels[rows.train]))
    task = DetectorTask(network, run.settings.adn.lr, balance)
    average = None if settings.averaging == "none" else WeightAverage(settings.averaging)
    best = None if settings.select == "last" else BestEpoch(settings.select, validation, average)
    last_epochs = LastEpochs(_inputs(test), _inputs(validation), average, best)
    fitted = _fit if run.settings.has_epochs else _fit_at_once
    seconds = fitted(run, task, train, last_epochs, logger, run.part)
    _write_found(run, images, rows, last_epochs)
    found = result_of(run, last_epochs, images.labels, rows, seconds)
    if run.settings.needs_maps:
        found["maps"] = map_shift(tensors["maps"], images.labels, rows)
    if len(rows.test):
        found["kinds"] = _kinds(images, rows.test, last_epochs.tested["adn"])
        _write_sheet(run, images, rows.test, task, test, last_epochs.tested["adn"], masks)
        found["localisation"] = None if masks is None else localisation(task, tensors, masks, rows.test)
    return found


def _kinds(images: ImageSet, test: Rows, probabilities: Tensor) -> dict[str, dict[str, Any]] | None:
    """The scores by kind of anomaly; None if the kinds are not known."""
    kinds = images.index.kinds
    labels = torch.from_numpy(images.labels[test])
    return by_kind(probabilities, labels, [kinds[row] for row in test]) if kinds else None


def _check_tiles(run: Run, images: ImageSet) -> None:
    settings = run.settings
    if images.tiles is not None and settings.tile_pooling != "max" and settings.tile_top > images.tiles.grid.count:
        raise LeanetError(f"tile_top={settings.tile_top}: images have {images.tiles.grid.count} tiles; choose fewer")


def _try_out(network: LeaNet, image_size: int) -> None:
    """Run the network on one image, so that attention points that do not fit raise a LeanetError now."""
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, 3, image_size, image_size), torch.zeros(1, 1, image_size, image_size))
    network.train()


def load_task(run: Run) -> DetectorTask:
    """Load the trained detector of a finished run, in evaluation mode on the CPU.

    Raises:
        LeanetError: its checkpoint is gone, or is of other networks than its settings.
    """
    with without_weights():
        task = DetectorTask(detector_of(run.settings, run.fold), run.settings.adn.lr)
    load_weights(run.folder, task)
    return task.eval()


def _config(run: Run) -> dict[str, Any]:
    return {**asdict(run.settings), "fold": None if run.fold == ALL else run.fold}


def _logged(run: Run) -> dict[str, Any]:
    """The settings for loggers, with the dataset's fingerprint."""
    return {**_config(run), "fingerprint": run.fingerprint}


def _inputs(tensors: Parts) -> Parts:
    """The tensors for prediction: without labels, and without images if their features are known."""
    left = {"labels", "images"} if "features" in tensors else {"labels"}
    return {key: value for key, value in tensors.items() if key not in left}


def _fit(run: Run, task: DetectorTask, train: Parts, last_epochs: LastEpochs, logger: Logger, label: str) -> float:
    settings = run.settings.trainer
    seed = derive(run.settings.seed, "fold", run.fold)
    plan = FitPlan(run.folder, f"{label} · {run.model}", settings.max_epochs, seed, settings)
    data = DeviceData(train, settings.batch_size, seed)
    first = [callback for callback in (last_epochs.average, last_epochs.best) if callback]  # `last_epochs` reads them
    return fit(task, data, plan, logger, [*first, last_epochs, LogSettings(_logged(run))])


def _fit_at_once(
    run: Run, task: DetectorTask, train: Parts, last_epochs: LastEpochs, logger: Logger, label: str
) -> float:
    """`_fit` for an ADN without epochs. It is deterministic and quick, so a killed fit starts again."""
    begun = time.monotonic()
    logger.log_hyperparams(_logged(run))
    fit_itself(task, train)
    last_epochs.ask(task)
    ensure_held(run.folder)
    save_tensors(run.folder / CHECKPOINT, {"state_dict": task.state_dict()})
    return time.monotonic() - begun


def _write_found(run: Run, images: ImageSet, rows: Split, last_epochs: LastEpochs) -> None:
    """Write predictions.csv, validation.csv, the test images' attention maps, and the hashes of training images."""
    write_text(run.folder / TRAINED_ON, "".join(f"{images.index.sha256[row]}\n" for row in rows.all_train))
    if len(rows.test):
        _write_predictions(run.folder / "predictions.csv", images, rows.test, last_epochs.tested)
    if len(rows.validation):
        _write_predictions(run.folder / "validation.csv", images, rows.validation, last_epochs.validated)
    if last_epochs.attention is not None:
        attention = last_epochs.attention.numpy()
        write_atomically(run.folder / "attention.npy", lambda out: np.save(out, attention))


def _write_predictions(file: Path, images: ImageSet, rows: Rows, found: Tensors) -> None:
    """Write P(anomalous) of each image by the ADN and by the CAAN's own head, with all digits of float32."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    kinds = images.index.kinds
    writer.writerow(["file", "sha256", "label", *(["kind"] if kinds else []), *found])
    for place, row in enumerate(rows):
        values = [f"{float(found[head][place]):.9g}" for head in found]
        known = [as_cell(images.index.names[row]), images.index.sha256[row], int(images.labels[row])]
        writer.writerow([*known, *([as_cell(kinds[row])] if kinds else []), *values])
    write_text(file, out.getvalue())


def _write_sheet(
    run: Run,
    images: ImageSet,
    test: Rows,
    task: DetectorTask,
    tensors: Parts,
    found: Tensor,
    masks: Masks | None,
) -> None:
    """Write sheet.png: some test images with masks, maps, attention and predictions."""
    chosen = choose_rows(images.labels[test], found.numpy(), rows=8)
    rows = test[chosen]
    batch = {key: value[chosen] for key, value in tensors.items()}
    task.eval()
    with torch.inference_mode():
        known = {"difference": batch.get("maps"), "attention": task(batch).attention}
        known["evidence"] = evidence_maps(task, batch)
    maps = {kind: whole(images, rows, values) for kind, values in known.items() if values is not None}
    colored = recolored_of(run, images, rows) if run.settings.has_colorizer else None
    panels = [
        Panel(
            name=images.index.names[test[row]],
            label=int(images.labels[test[row]]),
            probability=float(found[row]),
            image=images.images[test[row]],
            recoloured=None if colored is None else colored[place],
            unit=run.settings.map.unit,
            mask=None if masks is None else masks.at(test[row]),
            **{kind: values[place] for kind, values in maps.items()},
        )
        for place, row in enumerate(chosen)
    ]
    title = f"{run.settings.dataset_name} · {run.model} · fold {run.fold}"
    draw_sheet(panels, title, run.folder / "sheet.png", images.labels[test])
