"""The anomaly maps of a fold: made once from its training normals, shared by every run that needs them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from numpy.typing import NDArray
from torch import Tensor

from leanet.color import ciede2000
from leanet.colorizer.task import ColorizerTask, recolored
from leanet.colorizer.unet import UNet
from leanet.data.batches import DeviceData
from leanet.fitting import CHECKPOINT, Fit, fit, save_tensors
from leanet.seeds import derive
from leanet.settings import ColorizerSettings, TrainerSettings
from leanet.store import lock, write_atomically

FIXED_DELTA_E = 10.0  # `fixed` scaling: a difference that is plain at a glance becomes 1
FOLD_QUANTILE = 0.999  # `fold` scaling: robust against a single pixel

WEIGHTS = "colorizer.pt"
MAPS = "maps.npy"


def train_colorizer(normals: Tensor, settings: ColorizerSettings, plan: Fit) -> UNet:
    """A U-Net trained on `normals` (N, 3, S, S) uint8, which is all it is ever given; resumable, kept in the folder."""
    torch.manual_seed(derive(settings.seed, "colorizer"))
    unet = UNet(normals.shape[-1], settings.dropout)
    weights = plan.folder / WEIGHTS
    if weights.exists():
        unet.load_state_dict(torch.load(weights, weights_only=True))
        return unet
    task = ColorizerTask(unet, settings, normals)
    stopping = EarlyStopping("loss", patience=settings.patience, check_on_train_epoch_end=True, check_finite=False)
    fit(task, DeviceData({"images": normals}, settings.batch_size, plan.seed), plan, callbacks=[stopping])
    save_tensors(weights, unet.state_dict())
    (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    return unet


def anomaly_maps(unet: UNet, images: Tensor) -> Tensor:
    """ΔE00 of each image and its recoloured self: (N, 3, S, S) uint8 → (N, 1, S, S) float16, in ΔE00 units.

    Half precision keeps three digits, finer than an 8-bit image can say.
    """
    return torch.cat([ciede2000(lab, other).half().cpu() for lab, other in recolored(unet, images)])


def fold_maps(
    folder: Path,
    images: NDArray[np.uint8],
    normals: NDArray[np.int64],
    settings: ColorizerSettings,
    trainer: TrainerSettings,
    label: str,
    say: Callable[[str], object] = print,
) -> Tensor:
    """The anomaly maps (N, 1, S, S) of all `images` by a colorizer of the rows `normals`, from `folder` if it has them.

    Of several processes that ask together, one trains and the others wait for it; if it dies, the next goes on from
    its checkpoint.
    """
    file = folder / MAPS
    if not file.exists():
        with lock(folder, on_wait=lambda: say(f"{label}: waiting for the process that is training this colorizer")):
            if not file.exists():
                plan = Fit(folder, label, settings.max_epochs, settings.seed, trainer)
                unet = train_colorizer(torch.from_numpy(images[normals]), settings, plan)
                maps = anomaly_maps(unet, torch.from_numpy(images)).numpy()
                write_atomically(file, lambda out: np.save(out, maps))
    return torch.from_numpy(np.load(file, allow_pickle=False))


def map_scales(maps: Tensor, scaling: str, train: Tensor) -> Tensor:
    """What to multiply each map by before networks see it, (N,) float32.

    Args:
        maps: (N, 1, S, S) ΔE00.
        scaling: `image_max` divides each map by its own maximum (the authors' code); `fold` by a high quantile over
            the fold's training maps; `fixed` by ΔE00 = 10.
        train: rows of the fold's training images.
    """
    if scaling == "image_max":
        maxima = maps.flatten(1).amax(dim=1).float()
        return torch.where(maxima > 0, 1 / maxima.clamp(min=1e-6), 0)
    if scaling == "fold":
        values = maps[train].numpy()
        # Sorting a few million values is enough for one quantile, whatever the size of the set.
        divisor = float(np.quantile(values.reshape(-1)[:: max(1, values.size // 4_000_000)], FOLD_QUANTILE))
        return torch.full((len(maps),), 1 / max(divisor, 1e-6))
    return torch.full((len(maps),), 1 / FIXED_DELTA_E)
