"""One run: fold ─► maps ─► fit ─► predict ─► result.json."""

import csv
import io
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor

from leanet.color import lab_to_rgb
from leanet.colorizer.maps import WEIGHTS, fold_maps, map_scales
from leanet.colorizer.task import recolored
from leanet.colorizer.unet import UNet
from leanet.data.batches import DeviceData, Tensors
from leanet.data.images import NEGATIVE, ImageSet
from leanet.detector.network import LeaNet
from leanet.detector.scores import floor, scores
from leanet.detector.task import DetectorTask, LastEpochs
from leanet.fitting import CHECKPOINT, Fit, fit, save_tensors
from leanet.runs import Run
from leanet.seeds import derive
from leanet.sheet import Panel, choose_rows, draw_sheet
from leanet.store import lock, write_json, write_text

PACKAGES = ("leanet", "torch", "lightning", "timm", "kornia", "torchmetrics", "numpy")

Rows = NDArray[np.int64]


def run_fold(run: Run, images: ImageSet, fold_of: Rows, say: Callable[[str], object] = print) -> dict[str, Any]:
    """Do `run` and return its result; a run that is done is only read, one that was killed goes on.

    Args:
        images: all images of the dataset.
        fold_of: (N,) the fold of each, 1…folds; those of `run.fold` are the test images, all others train.
        say: told what a person should know while waiting.
    """
    label = f"fold {run.fold}/{run.settings.folds}"
    with lock(run.folder, on_wait=lambda: say(f"{label}: waiting for the process that is doing this run")):
        if run.result is not None:
            return run.result
        write_text(run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(_config(run))))
        rows = np.flatnonzero(fold_of != run.fold), np.flatnonzero(fold_of == run.fold)
        tensors = _tensors(run, images, rows[0], label, say)
        train, test = (_rows(tensors, part) for part in rows)

        task = DetectorTask(_network(run), run.settings.adn.lr)
        last_epochs = LastEpochs({key: value for key, value in test.items() if key != "labels"})
        logger = _logger(run)
        seconds = _fit(run, task, train, last_epochs, logger, label)

        _write_predictions(run, images, rows[1], last_epochs.history[-1])
        _write_sheet(run, images, rows[1], task, test, last_epochs.history[-1]["adn"])
        result = _result(run, last_epochs.history, train["labels"], test["labels"], seconds)
        _close(logger, result)
        write_json(run.folder / "result.json", result)
        # Only now: a run without a result needs the optimizer's state to go on.
        save_tensors(run.folder / CHECKPOINT, {"state_dict": task.network.state_dict()})
        return result


def _config(run: Run) -> dict[str, Any]:
    return {**asdict(run.settings), "fold": run.fold}


def _tensors(run: Run, images: ImageSet, train: Rows, label: str, say: Callable[[str], object]) -> Tensors:
    """Images, labels and, where there is attention, maps and their scales, of all rows."""
    tensors = {"images": torch.from_numpy(images.images), "labels": torch.from_numpy(images.labels)}
    if run.has_attention:
        settings = run.settings
        normals = train[images.labels[train] == NEGATIVE]
        maps = fold_maps(
            run.colorizer_folder,
            images.images,
            normals,
            settings.colorizer,
            settings.trainer,
            f"{label} · colorizer",
            say,
        )
        tensors |= {"maps": maps, "scales": map_scales(maps, settings.map.scaling, torch.from_numpy(train))}
    return tensors


def _rows(tensors: Tensors, rows: Rows) -> Tensors:
    return {key: value[torch.from_numpy(rows)] for key, value in tensors.items()}


def _network(run: Run) -> LeaNet:
    """New networks, each from a seed of its own: the ADN's weights do not depend on which CAAN stands beside it."""
    settings = run.settings
    torch.manual_seed(derive(settings.seed, "adn", run.fold))
    adn = instantiate(settings.adn.network)
    torch.manual_seed(derive(settings.seed, "caan", run.fold))
    caan = instantiate(settings.caan.network) if run.has_attention else None
    return LeaNet(adn, caan, settings.point if run.has_attention else None)


def _fit(run: Run, task: DetectorTask, train: Tensors, last_epochs: LastEpochs, logger: Logger, label: str) -> float:
    settings = run.settings.trainer
    seed = derive(run.settings.seed, "fold", run.fold)
    plan = Fit(run.folder, f"{label} · {run.model}", settings.max_epochs, seed, settings)
    logger.log_hyperparams(_config(run))
    return fit(task, DeviceData(train, settings.batch_size, seed), plan, logger, [last_epochs])


def _logger(run: Run) -> Logger:
    """The configured logger, with the names in braces replaced by the run's."""
    run.folder.mkdir(parents=True, exist_ok=True)
    names = {"folder": str(run.folder), "cell": run.cell, "id": run.id, "name": run.name}
    node = {k: v.format(**names) if isinstance(v, str) else v for k, v in run.settings.logger.items()}
    logger: Logger = instantiate(node)
    return logger


def _close(logger: Logger, result: dict[str, Any]) -> None:
    """Log the test fold's figures and end the logger's run, where it has one to end (W&B's would go on otherwise)."""
    heads = {"adn": result, "caan": result["caan"]}
    logger.log_metrics(
        {f"test/{head}_{key}": found[key] for head, found in heads.items() if found for key in ("f1", "auroc", "ap")}
    )
    logger.finalize("success")
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()


def _write_predictions(run: Run, images: ImageSet, test: Rows, found: Tensors) -> None:
    """predictions.csv: P(anomalous) of each test image by the ADN and by CAAN's own head, to the last bit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "sha256", "label", *found])
    for place, row in enumerate(test):
        values = [f"{float(found[head][place]):.9g}" for head in found]
        writer.writerow([images.index.names[row], images.index.sha256[row], int(images.labels[row]), *values])
    write_text(run.folder / "predictions.csv", out.getvalue())


def _result(run: Run, history: list[Tensors], train: Tensor, test: Tensor, seconds: float) -> dict[str, Any]:
    heads = {head: _head_result([epoch[head] for epoch in history], test) for head in history[-1]}
    return {
        **heads["adn"],
        "floor": floor(test),
        "caan": heads.get("caan"),
        "run": run.id,
        "cell": run.cell,
        "dataset": run.settings.dataset_name,
        "model": run.model,
        "fold": run.fold,
        "folds": run.settings.folds,
        "images": {
            "train": {"negative": int((train == 0).sum()), "positive": int(train.sum())},
            "test": {"negative": int((test == 0).sum()), "positive": int(test.sum())},
        },
        "seconds": round(seconds, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def _head_result(epochs: list[Tensor], labels: Tensor) -> dict[str, Any]:
    """The last epoch's scores, and the mean and SD of F1 over the last epochs."""
    f1 = [scores(found, labels)["f1"] for found in epochs]
    sd = statistics.stdev(f1) if len(f1) > 1 else 0.0
    return {**scores(epochs[-1], labels), "last_epochs": {"f1": f1, "mean": statistics.mean(f1), "sd": sd}}


def _write_sheet(run: Run, images: ImageSet, test: Rows, task: DetectorTask, tensors: Tensors, found: Tensor) -> None:
    """sheet.png: some test images with everything that was made of them."""
    chosen = choose_rows(images.labels[test], found.numpy(), rows=8)
    batch = {key: value[chosen] for key, value in tensors.items()}
    task.eval()
    with torch.inference_mode():
        attention = task(batch).attention
    colored = _recolored(run, batch["images"]) if run.has_attention else None
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


def _recolored(run: Run, images: Tensor) -> NDArray[np.uint8]:
    unet = UNet(images.shape[-1], run.settings.colorizer.dropout)
    unet.load_state_dict(torch.load(run.colorizer_folder / WEIGHTS, weights_only=True))
    rgb = torch.cat([lab_to_rgb(other) for _, other in recolored(unet, images)])
    return (rgb * 255).round().byte().numpy()
