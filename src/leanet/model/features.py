"""The features of training images that a model's reference is fitted to."""

import numpy as np
import torch
from numpy.typing import NDArray

from leanet.detector.shallow import ShallowFeatures
from leanet.model.find import colorizers_kept
from leanet.model.pipeline import assembled
from leanet.runs.run import Run
from leanet.training.batches import SelectedRows, batches
from leanet.training.device import device_of

_BATCH = 16


@torch.inference_mode()
def features_of_model(model: Run, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute the features of `ShallowFeatures` as a prediction does.

    Args:
        model: a trained model, whose folder holds its map makers.
        images: (N, 3, S, S) uint8.
        rows: of B of them.

    Returns:
        (B, F).
    """
    folders = colorizers_kept(model.folder, len(model.maker_folders)) if model.settings.needs_maps else []
    divisor = (model.result or {}).get("map_divisor")
    device = device_of(model.settings.trainer.accelerator)
    pipeline = assembled(model.settings, model.fold, model.folder, folders, divisor).to(device)
    shallow, found = ShallowFeatures(pipeline.network.adn), []
    for batch in batches({"images": SelectedRows(torch.from_numpy(images), torch.from_numpy(rows))}, _BATCH):
        there = batch["images"].to(device)
        with shallow.open() as seen:
            pipeline(there)
        found.append(shallow.of(there, seen).cpu())
    features: NDArray[np.float32] = torch.cat(found).numpy()
    return features
