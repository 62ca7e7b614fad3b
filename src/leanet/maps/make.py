"""The anomaly maps of a fold: made once from its training normals, shared by every run that needs them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from leanet.color import chroma_difference, ciede2000, twice_converted_ciede2000
from leanet.colorizer.build import colorizer_of
from leanet.colorizer.network import Colorizer
from leanet.colorizer.task import ColorizerTask, recolored
from leanet.config.settings import ColorizerSettings, TrainerSettings
from leanet.errors import LeanetError
from leanet.runs.loggers import LogSettings, log_folder
from leanet.storage.files import read_array, write_array, write_json
from leanet.storage.locks import lock, tidy
from leanet.storage.run_files import COLORIZER_FACTS, COLORIZER_WEIGHTS, MAKING
from leanet.storage.weights import give_weights, read_weights
from leanet.training.batches import Chosen, DeviceData
from leanet.training.fit import CHECKPOINT, Fit, fit, save_tensors
from leanet.training.seeds import derive

FIXED = 10.0  # `fixed` scaling: a difference that is plain at a glance becomes 1
FOLD_QUANTILE = 0.999  # `fold` scaling: robust against a single pixel

# By map.name: true L*a*b* of original and recoloured image, (B, 3, S, S) each → (B, 1, S, S).
DIFFERENCES = {"ciede2000": ciede2000, "legacy": twice_converted_ciede2000, "ab": chroma_difference}


def maps_file(folder: Path, name: str) -> Path:
    """Where the maps called `name` by a colorizer are kept: (N, 1, S, S) float16."""
    return folder / f"maps-{name}.npy"


def load_colorizer(folder: Path, settings: ColorizerSettings, image_size: int) -> Colorizer | None:
    """The trained colorizer kept in `folder`, if there is one."""
    weights = folder / COLORIZER_WEIGHTS
    if not weights.exists():
        return None
    colorizer = colorizer_of(settings, image_size)
    give_weights(colorizer, read_weights(weights), weights)
    return colorizer


def train_colorizer(
    normals: Tensor | Chosen, settings: ColorizerSettings, plan: Fit, logger: Logger | None = None
) -> Colorizer:
    """A colorizer of `normals` (N, 3, S, S) uint8, which is all it is ever given; resumable, kept in the folder."""
    image_size = normals.shape[-1]
    kept = load_colorizer(plan.folder, settings, image_size)
    if kept is not None:
        return kept
    if len(normals) < 2:
        raise LeanetError(
            f"{plan.label}: a colorizer needs 2 normal images to train on, and has {len(normals)}; add normal images, "
            "or lower validation or map.cross_fit"
        )
    torch.manual_seed(derive(settings.seed, "colorizer"))
    colorizer = colorizer_of(settings, image_size)
    task = ColorizerTask(colorizer, settings, normals)
    stopping = EarlyStopping("loss", patience=settings.patience, check_on_train_epoch_end=True, check_finite=False)
    data = DeviceData({"images": normals}, settings.batch_size, plan.seed)
    facts = {**asdict(settings), "images": len(normals), "image_size": image_size, "max_epochs": plan.max_epochs}
    seconds = fit(task, data, plan, logger, [stopping, LogSettings(facts)])
    write_json(plan.folder / COLORIZER_FACTS, {**facts, "seconds": seconds})
    save_tensors(plan.folder / COLORIZER_WEIGHTS, colorizer.state_dict())
    (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    log_folder(logger, plan.folder)
    return colorizer


def anomaly_maps(colorizer: Colorizer, images: Tensor, name: str = "ciede2000") -> Tensor:
    """The difference of each image and its recoloured self: (N, 3, S, S) uint8 → (N, 1, S, S) float16.

    Half precision keeps three digits, finer than an 8-bit image can say.
    """
    return torch.cat(list(_map_batches(colorizer, images, name)))


def _map_batches(colorizer: Colorizer, images: Tensor, name: str) -> Iterator[Tensor]:
    difference = DIFFERENCES[name]
    for lab, other in recolored(colorizer, images):
        yield difference(lab, other).half().cpu()


def fold_maps(
    folder: Path,
    images: NDArray[np.uint8],
    normals: NDArray[np.int64],
    settings: ColorizerSettings,
    trainer: TrainerSettings,
    name: str,
    label: str,
    say: Callable[[str], object] = print,
    logger_of: Callable[[Path], Logger | None] = lambda folder: None,
) -> Tensor:
    """The maps called `name` (N, 1, S, S) of all `images` by a colorizer of the rows `normals`; kept in `folder`.

    Of several processes that ask together, one trains and the others wait for it; if it dies, the next goes on from
    its checkpoint.
    """

    def make() -> Iterator[Tensor]:
        plan = Fit(folder, label, settings.max_epochs, settings.seed, trainer)
        seen = Chosen(torch.from_numpy(images), torch.from_numpy(normals))
        return _map_batches(train_colorizer(seen, settings, plan, logger_of(folder)), torch.from_numpy(images), name)

    waiting = f"{label}: waiting for the process that is training this colorizer"
    return kept_maps(folder, name, images.shape, make, lambda: say(waiting))


def kept_maps(
    folder: Path,
    name: str,
    shape: tuple[int, ...],
    make: Callable[[], Iterator[Tensor]],
    on_wait: Callable[[], object],
) -> Tensor:
    """The maps (N, 1, S, S) called `name` in `folder`; of several processes that ask for them together one makes them.

    They are memory-mapped, when they are made as well.

    Args:
        shape: of the images, (N, 3, S, S).
        make: gives the maps in batches (B, 1, S, S), in the images' order.
    """
    return kept_array(maps_file(folder, name), (shape[0], 1, *shape[2:]), make, on_wait)


def kept_array(
    file: Path,
    shape: tuple[int, ...],
    make: Callable[[], Iterator[Tensor]],
    on_wait: Callable[[], object],
    dtype: DTypeLike = np.float16,
) -> Tensor:
    """The numbers in `file`, of that shape, memory-mapped; made first, by one process, if there is no such file.

    Beside it stands what the making took, a colorizer's training included, if this process did that.
    """
    folder = file.parent
    if file.exists():
        tidy(folder)
    else:
        with lock(folder, on_wait):
            if not file.exists():
                begun = time.monotonic()
                made = make()  # a colorizer trains here, before the array takes its room

                def fill(array: NDArray[np.floating]) -> None:
                    _fill(made, array)
                    # Before the array gets its name: whoever is killed in between leaves no array without it.
                    write_json(file.with_suffix(MAKING), {"seconds": round(time.monotonic() - begun, 3)})

                write_array(file, shape, dtype, fill)
    return torch.from_numpy(read_array(file))


def _fill(batches: Iterator[Tensor], array: NDArray[np.floating]) -> None:
    done = 0
    for batch in batches:
        array[done : done + len(batch)] = batch.numpy()
        done += len(batch)


def mean_map(maps: Sequence[Tensor]) -> Tensor:
    """The mean of what several colorizers say, (…) float16 each."""
    return (sum((each.float() for each in maps[1:]), maps[0].float()) / len(maps)).half()


def map_divisor(maps: Tensor, scaling: str, train: Tensor) -> float | None:
    """What to divide all maps by before networks see them; None: each by its own maximum.

    Args:
        maps: (N, 1, S, S), in ΔE00 or whatever the maps' unit is.
        scaling: `image_max` divides each map by its own maximum (the authors' code); `fold` by a high quantile over
            the fold's training maps; `fixed` by 10.
        train: rows of the fold's training images.
    """
    if scaling == "image_max":
        return None
    if scaling == "fixed":
        return FIXED
    # Sorting a few million values is enough for one quantile, whatever the size of the set.
    every = max(1, len(train) * maps[0].numel() // 4_000_000)
    return max(float(np.quantile(_each_of(maps, train, every), FOLD_QUANTILE)), 1e-6)


def _each_of(maps: Tensor, rows: Tensor, every: int) -> NDArray[np.float16]:
    """Each so-manieth value of `maps[rows]`, one after the other, without these in memory."""
    size, found = maps[0].numel(), []
    for place, row in enumerate(rows.tolist()):
        found.append(maps[row].flatten()[-place * size % every :: every].numpy())
    return np.concatenate(found)


def map_scales(maps: Tensor, divisor: float | None) -> Tensor:
    """What to multiply each of the maps (N, 1, S, S) by, (N,) float32; `divisor` as `map_divisor` has it."""
    if divisor is not None:
        return maps.new_full(maps.shape[:1], 1 / divisor, dtype=torch.float32)  # by shape, to be exported for any batch
    maxima = maps.amax(dim=(1, 2, 3)).float()
    return torch.where(maxima > 0, 1 / maxima.clamp(min=1e-6), 0)
