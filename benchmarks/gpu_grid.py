"""How many images a second several fits side by side come to on one GPU, and the hours of the paper's Table 3.

    python benchmarks/gpu_grid.py [image size] [images]

Each fit is a process that trains ResNet18 + MobileNet CAAN on random images, by default 486 of 256×256. All are there
from the beginning; when all have warmed up, the first one goes on alone, then more and more of them, each number for as
long. A fit's pace is that of its whole epochs within that time, so that a sum never has a part in which fewer fits ran.

The second column is with NVIDIA's Multi-Process Service, without which a GPU computes for one process at a time; a dash
where it is missing. Table 3 follows from the best of all, as if every network trained as many images a second, and from
the U-Net alone, as if no colorizer ended early. Without a GPU there are one and two fits, at a small size.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import lightning
import torch
from gpu_fits import ATTENTION, FORKS, GRAPH, UNET, WAYS, Clock, FitEndedError, card, fresh, random_tensors, run
from hydra import compose, initialize_config_dir
from tabulate import tabulate

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.grid.mps import shared_gpus
from leanet.grid.products import Configurations, expand
from leanet.runs.run import Run

COUNTS, FEW = (1, 4, 8, 12, 16), (1, 2)
SECONDS, FEW_SECONDS = 15, 2  # that each number of fits is timed
READY_SECONDS = 120
THIS_MACHINE = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"}


def main() -> None:
    given = arguments()
    names = fresh(card)
    size, images = given.size or (256 if names else 32), given.images or (486 if names else 8)
    counts, seconds = (COUNTS, SECONDS) if names else (FEW, FEW_SECONDS)
    alone = side_by_side(counts, size, images, seconds)
    shared = with_mps(counts, size, images, seconds) if names else [math.nan] * len(counts)
    print(f"{(names or ['CPU'])[0]}, {ATTENTION}, {size}×{size}, {images} images; images/s in all\n")
    rows = [[str(count), shown(one), shown(other)] for count, one, other in zip(counts, alone, shared, strict=True)]
    print(tabulate(rows, headers=["fits", "without MPS", "with MPS"], tablefmt="github", disable_numparse=True))
    best = max(speed for speed in [*alone, *shared, 0.0] if not math.isnan(speed))
    print(f"\n{foretold(table3(), best, *fresh(colorizer_speed, size, images))}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Several fits side by side on one GPU.")
    parser.add_argument("size", nargs="?", type=int, help="of images, in pixels")
    parser.add_argument("images", nargs="?", type=int, help="of an epoch")
    return parser.parse_args()


def shown(speed: float) -> str:
    return "–" if math.isnan(speed) else f"{speed:,.0f}"


class Held(Clock):
    """Holds a fit when it has warmed up until it is told to go on; at the next word, it tells its times and ends.

    Args:
        pipe: to the process that tells it. It is at its end when that process is.
    """

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self.pipe = pipe

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        super().on_train_epoch_end(trainer, task)
        if len(self.ends) == WAYS[GRAPH].warm:
            self.pipe.send("ready")
            self.pipe.recv()
        elif self.pipe.poll():
            self.pipe.send(self.ends)
            raise FitEndedError


def held_fit(pipe: Connection, size: int, images: int) -> None:
    torch.set_num_threads(1)
    run(ATTENTION, WAYS[GRAPH], random_tensors(size, images), Held(pipe))


def side_by_side(counts: Sequence[int], size: int, images: int, seconds: float) -> list[float]:
    """Images a second of each number of fits, in ascending order; NaN for more fits than could be started."""
    started = [start(size, images) for _ in range(max(counts))]
    try:
        limit = time.monotonic() + READY_SECONDS
        pipes = [pipe for pipe, _ in started if heard(pipe, limit - time.monotonic())]
        windows = [window(pipes[before:count], seconds) for before, count in zip((0, *counts), counts, strict=False)]
        for pipe in pipes:
            tell(pipe, "end")
        ends = [heard(pipe, READY_SECONDS) or [] for pipe in pipes]
    finally:
        end([process for _, process in started])
    paces = [[pace(each, *span) for each in ends[:count]] for count, span in zip(counts, windows, strict=True)]
    complete = [len(found) == count for count, found in zip(counts, paces, strict=True)]
    return [images * sum(found) if all_ran else math.nan for found, all_ran in zip(paces, complete, strict=True)]


def start(size: int, images: int) -> tuple[Connection, BaseProcess]:
    """A process with a fit that is to be held, and the pipe to it."""
    ours, its = FORKS.Pipe()
    process = FORKS.Process(target=held_fit, args=(its, size, images))
    process.start()
    its.close()
    return ours, process


def heard(pipe: Connection, seconds: float) -> Any:
    """What a process says in some seconds; None if it says nothing or is dead."""
    with suppress(EOFError, OSError):
        return pipe.recv() if pipe.poll(max(0, seconds)) else None
    return None


def end(processes: Sequence[BaseProcess], seconds: float = 10) -> None:
    """Wait until processes end by themselves, since MPS serves others badly after a kill, and kill the rest."""
    limit = time.monotonic() + seconds
    for process in processes:
        process.join(max(0, limit - time.monotonic()))
        process.kill()
        process.join()


def tell(pipe: Connection, word: str) -> None:
    with suppress(OSError):  # it is dead
        pipe.send(word)


def window(more: Sequence[Connection], seconds: float) -> tuple[float, float]:
    """Let more fits go on, and return from when until when they and those before them did."""
    for pipe in more:
        tell(pipe, "go on")
    begin = time.monotonic()
    time.sleep(seconds)
    return begin, time.monotonic()


def pace(ends: Sequence[float], begin: float, end: float) -> float:
    """Epochs a second of a fit, by the whole ones within a window; NaN if there is none."""
    inside = [moment for moment in ends if begin <= moment <= end]
    return (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 1 else math.nan


def with_mps(counts: Sequence[int], size: int, images: int, seconds: float) -> list[float]:
    """`side_by_side` with an MPS daemon; NaN, and the reason on stderr, where there is none."""
    try:
        with shared_gpus(THIS_MACHINE):
            return side_by_side(counts, size, images, seconds)
    except LeanetError as error:
        print(error, file=sys.stderr)
        return [math.nan] * len(counts)


def colorizer_speed(size: int, images: int) -> Iterator[float]:
    """Images a second of the U-Net alone."""
    warm = WAYS[GRAPH].warm
    clock = Clock(2 * warm)
    run(UNET, WAYS[GRAPH], random_tensors(size, images), clock)
    yield images * warm / (clock.ends[-1] - clock.ends[warm - 1])


@dataclass(frozen=True)
class Work:
    """Fits and colorizers of a grid, and how many images each kind trains on, counted once for each epoch."""

    fits: int
    fit_images: int
    colorizers: int
    colorizer_images: int


def table3() -> Work:
    """The work of conf/experiment/table3.yaml, on as many images as the paper has."""
    given = ["experiment=table3"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        sweeper = compose("train", given, return_hydra_config=True).hydra.sweeper
        configurations = Configurations(partial(compose, "train"), lambda key: (CONF / key).is_dir())
        words = expand([{**sweeper.everywhere, **product} for product in sweeper.products], given)
        cells = [settings_of(configurations.of(each, given)) for each in words]
    runs = [Run(cell, cell.dataset_name, fold) for cell in cells for fold in cell.selected_folds]
    makers = {run.maps_folder: run.settings for run in runs if run.settings.has_colorizer}
    fit_images = sum(trained(run.settings) * run.settings.trainer.max_epochs for run in runs)
    colorizer_images = sum(trained(cell, "negatives") * cell.colorizer.max_epochs for cell in makers.values())
    return Work(len(runs), round(fit_images), len(makers), round(colorizer_images))


def trained(cell: Settings, *kinds: str) -> float:
    """The images of these kinds in all folds but one, on average."""
    images: int = sum(cell.dataset["origin"][kind] for kind in kinds or ("negatives", "positives"))
    return images * (cell.folds - 1) / cell.folds


def foretold(work: Work, fits: float, colorizers: float = math.nan) -> str:
    """The hours of a grid at so many images a second of its fits, in all, and of colorizers, one after the other."""
    hours = (work.fit_images / fits + work.colorizer_images / colorizers) / 3600 if fits else math.nan
    return (
        f"Table 3: {work.fits:,} fits on {work.fit_images:,} images and {work.colorizers} colorizers on "
        f"{work.colorizer_images:,}, each image once an epoch: {hours:.1f} hours\n"
        f"(at {shown(fits or math.nan)} images/s of all fits and {shown(colorizers)} of a colorizer)"
    )


if __name__ == "__main__":
    main()
