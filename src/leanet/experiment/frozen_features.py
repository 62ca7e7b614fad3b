"""The features of all images from a frozen ADN, computed once for all folds, or for each fold if maps change them."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from leanet.detector.frozen import Frozen, map_statistics
from leanet.detector.lea_net import LeaNet
from leanet.detector.task import images_and_maps, scaled_maps
from leanet.detector.tiles import in_parts
from leanet.progress import progress
from leanet.runs.run import Run
from leanet.storage.kept_array import kept_array
from leanet.training.batches import Tensors, batches
from leanet.training.device import device_of

BATCH = 16


def features_of(
    run: Run, network: LeaNet, tensors: Tensors, label: str = "", say: Callable[[str], object] = print
) -> Tensor:
    """Compute the features of all images, or read them if they are already kept.

    All but the map's statistics are kept in `run.features_folder`. If several processes need the same features, one
    computes them and the others wait.

    Args:
        run: whose features they are.
        network: with a frozen ADN.
        tensors: all images, with maps and scales if the network needs them.
        label: of the run, in messages.
        say: receives messages.

    Returns:
        (N, F) float32, or (N, T, F) of images that are cut into tiles.
    """
    adn = network.adn
    assert isinstance(adn, Frozen)
    parts = {key: value for key, value in tensors.items() if key != "labels"}
    which = parts["images"].shape[:-3]  # (N,) or (N, T)

    def make() -> Iterator[Tensor]:
        device, count = device_of(run.settings.trainer.accelerator), len(parts["images"])
        network.to(device).eval()
        with torch.inference_mode(), progress(label=label, total=count, unit="image") as bar:
            for batch in batches(parts, max(1, BATCH // which[1:].numel())):
                there = {key: value.to(device) for key, value in batch.items()}
                found = in_parts(partial(network.attended, adn.pooled), *images_and_maps(there))
                yield torch.cat(found).cpu().view(-1, *which[1:], found[0].shape[-1])
                bar.update(len(batch["images"]))
        network.cpu()

    file = run.features_folder / "features.npy"
    shape = (*which, adn.regression.linear.in_features - adn.statistics)
    waiting = f"{label}: waiting for the process that computes these features"
    pooled = kept_array(file, shape, make, lambda: say(waiting), np.float32)
    return torch.cat([pooled, _statistics(parts).view(*which, -1)], dim=-1) if adn.map_statistics else pooled


def _statistics(tensors: Tensors) -> Tensor:
    needed = {key: tensors[key] for key in ("maps", "scales")}
    scaled = (scaled_maps(batch) for batch in batches(needed, BATCH))
    return torch.cat([map_statistics(maps) for maps in scaled if maps is not None])
