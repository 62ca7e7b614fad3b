"""Maps by colour reconstruction: the difference of an image and what a colorizer, trained on normals, makes of it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor, nn

from leanet.color import chroma_difference, ciede2000, rgb_to_lab, twice_converted_ciede2000
from leanet.colorizer.build import colorizer_of
from leanet.colorizer.held_out import LOSS, HeldOutLoss
from leanet.colorizer.network import Colorizer
from leanet.colorizer.task import ColorizerTask
from leanet.config.settings import ColorizerSettings, TrainerSettings
from leanet.errors import LeanetError
from leanet.maps.recipe import Recipe, Rows
from leanet.runs.loggers import LogSettings, log_folder
from leanet.storage.files import write_json
from leanet.storage.run_files import CHECKPOINT, COLORIZER_FACTS, COLORIZER_WEIGHTS
from leanet.storage.weights import give_weights, read_weights
from leanet.training.batches import DeviceData, SelectedRows, batches
from leanet.training.device import device_of
from leanet.training.fit import FitPlan, fit, save_tensors
from leanet.training.seeds import derive

# By map.name: true L*a*b* of original and recoloured image, (B, 3, S, S) each → (B, 1, S, S).
DIFFERENCES = {"ciede2000": ciede2000, "legacy": twice_converted_ciede2000, "ab": chroma_difference}

# Pixels in a batch. Many small images at once save a CPU from rearranging the deep layers' weights for each few of
# them, which takes longer than the convolutions themselves.
AT_ONCE = 1 << 21


class ColorMaps(nn.Module):
    """RGB → L*a*b* → recoloured → anomaly map (§3-1).

    Args:
        colorizer: trained on normal images.
        difference: name of the difference of original and recoloured image, a key of `DIFFERENCES`.
    """

    def __init__(self, colorizer: Colorizer, difference: str = "ciede2000") -> None:
        super().__init__()
        self.colorizer = colorizer
        self.difference = DIFFERENCES[difference]

    def forward(self, rgb: Tensor) -> Tensor:
        """rgb: (B, 3, S, S), sRGB in 0…1 → (B, 1, S, S), in ΔE00 or the difference's unit."""
        lab = rgb_to_lab(rgb)
        return self.difference(lab, self.colorizer.recolored(lab))


@torch.inference_mode()
def color_maps(maker: ColorMaps, images: Tensor) -> Iterator[Tensor]:
    """The maps of images (N, 3, S, S) uint8, in batches (B, 1, S, S) float16 on the CPU.

    Half precision keeps three digits, more than an 8-bit image has.
    """
    device = next(maker.parameters()).device
    for batch in batches({"images": images}, max(1, AT_ONCE // images.shape[-1] ** 2)):
        yield maker(batch["images"].to(device) / 255).half().cpu()


def load_color_maps(folder: Path, settings: ColorizerSettings, difference: str, image_size: int) -> ColorMaps | None:
    """The map maker whose trained colorizer is kept in `folder`, in evaluation mode on the CPU; None if there is none.

    Raises:
        LeanetError: the weights are damaged, or of another network.
    """
    file = folder / COLORIZER_WEIGHTS
    if not file.exists():
        return None
    colorizer = colorizer_of(settings, image_size)
    give_weights(colorizer, read_weights(file), file)
    return ColorMaps(colorizer, difference).eval()


def train_colorizer(
    normals: SelectedRows, settings: ColorizerSettings, plan: FitPlan, logger: Logger | None = None
) -> Colorizer:
    """A colorizer trained on `normals` (N, 3, S, S) uint8; resumable, and kept in the plan's folder.

    Raises:
        LeanetError: fewer than two normals to train on.
    """
    image_size, count = normals.shape[-1], len(normals)
    trained, stopped_by = _divided(count, settings)
    if len(trained) < 2:
        raise LeanetError(
            f"{plan.label}: a colorizer needs 2 normal images to train on, and has {len(trained)}; add normal images, "
            "use more folds, or lower validation, map.cross_fit or colorizer.held_out"
        )
    torch.manual_seed(derive(settings.seed, "colorizer"))
    colorizer = colorizer_of(settings, image_size)
    seen = normals.of(trained)
    task = ColorizerTask(colorizer, settings, seen)
    held_out = [HeldOutLoss(normals.of(stopped_by))] if len(stopped_by) else []
    stopping = EarlyStopping(
        LOSS if held_out else "loss", patience=settings.patience, check_on_train_epoch_end=True, check_finite=False
    )
    facts = {**asdict(settings), "images": len(trained), "image_size": image_size, "max_epochs": plan.max_epochs}
    callbacks = [*held_out, stopping, LogSettings(facts)]
    seconds = fit(task, DeviceData({"images": seen}, settings.batch_size, plan.seed), plan, logger, callbacks)
    for callback in held_out:
        callback.hand_over(task)
    write_json(plan.folder / COLORIZER_FACTS, {**facts, "seconds": seconds})
    save_tensors(plan.folder / COLORIZER_WEIGHTS, colorizer.state_dict())
    (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    log_folder(logger, plan.folder)
    return colorizer


def _divided(count: int, settings: ColorizerSettings) -> tuple[Tensor, Tensor]:
    """The rows of normal images that a colorizer is trained on, and of those that stop it; in order."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(derive(settings.seed, "held out", count)))
    stopped_by = math.ceil(settings.held_out * count)
    return order[stopped_by:].sort().values, order[:stopped_by].sort().values


@dataclass(frozen=True)
class ColorRecipe(Recipe):
    """Maps by colour reconstruction.

    Args:
        images: all images of the dataset, (N, 3, S, S) uint8.
        settings: of the colorizer.
        trainer: of the run.
        difference: a key of `DIFFERENCES`.
        logger_of: makes the logger of a colorizer's folder.
    """

    images: NDArray[np.uint8]
    settings: ColorizerSettings
    trainer: TrainerSettings
    difference: str
    logger_of: Callable[[Path], Logger | None] = lambda folder: None

    def load(self, folder: Path) -> ColorMaps | None:
        return load_color_maps(folder, self.settings, self.difference, self.images.shape[-1])

    def fit(self, normals: Rows, folder: Path, label: str) -> ColorMaps:
        plan = FitPlan(folder, f"{label} · colorizer", self.settings.max_epochs, self.settings.seed, self.trainer)
        seen = SelectedRows(torch.from_numpy(self.images), torch.from_numpy(normals))
        return ColorMaps(train_colorizer(seen, self.settings, plan, self.logger_of(folder)), self.difference).eval()

    def maps(self, maker: nn.Module) -> Iterator[Tensor]:
        assert isinstance(maker, ColorMaps)
        return color_maps(maker.to(device_of(self.trainer.accelerator)), torch.from_numpy(self.images))
