"""The features that a frozen ADN sees of all images of a dataset: computed once, and used by every fold and seed."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from leanet.colorizer.maps import kept_array
from leanet.data.batches import batches
from leanet.data.images import ImageSet
from leanet.detector.frozen import Frozen
from leanet.device import device_of
from leanet.runs import Run

BATCH = 16


def features_of(
    run: Run, adn: Frozen, images: ImageSet, label: str = "", say: Callable[[str], object] = print
) -> Tensor:
    """The features (N, F) float32 of all images, memory-mapped; kept in `run.features_folder`.

    Of several processes that ask together, one computes them and the others wait for it.
    """
    device = device_of(run.settings.trainer.accelerator)
    pixels = torch.from_numpy(images.images)

    def make() -> Iterator[Tensor]:
        network = adn.to(device).eval()
        with torch.inference_mode(), tqdm(total=len(pixels), desc=f"{adn.model}", unit="image", disable=None) as bar:
            for batch in batches({"images": pixels}, BATCH):
                yield network.features(batch["images"].to(device) / 255).cpu()
                bar.update(len(batch["images"]))
        adn.cpu()

    file = run.features_folder / "features.npy"
    waiting = f"{label}: waiting for the process that computes these features"
    return kept_array(file, (len(pixels), adn.regression.linear.in_features), make, lambda: say(waiting), np.float32)
