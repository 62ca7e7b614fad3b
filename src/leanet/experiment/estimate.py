"""How long runs will take on this machine, from a few training steps on random images."""

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import lightning
import torch
from omegaconf import OmegaConf

from leanet.colorizer.build import colorizer_of
from leanet.colorizer.task import ColorizerTask
from leanet.config.conf_files import CONF
from leanet.config.settings import Settings
from leanet.detector.build import detector_of
from leanet.detector.catalogue import without_weights
from leanet.detector.task import DetectorTask
from leanet.progress import LONG, in_words
from leanet.runs.cell import Cell
from leanet.runs.run import Run
from leanet.runs.work import Rates, colorizer_work, fit_work, is_long
from leanet.training.batches import Tensors
from leanet.training.device import device_of, name_of

EFFORTS = ("quick", "usual", "paper")
_STEPS, _SECONDS = 2, 1.0  # at least as many steps, for at least as long
_PIXELS_ON_CPU = 1 << 18  # of a measured batch, so that steps of large images take seconds


@dataclass(frozen=True)
class Estimate:
    """Seconds of all colorizers, at most since they stop early, and of all fits."""

    colorizers: float
    fits: float

    @property
    def seconds(self) -> float:
        return self.colorizers + self.fits


def say_estimate(cell: Cell, runs: Sequence[Run], say: Callable[[str], object] = print) -> None:
    """Say how long the runs of a cell will take that are not done, unless that is less than a minute or so.

    If it is more than `LONG`, the choices of `effort=` that take less time are said as well.

    Args:
        cell: of the runs.
        runs: one after the other on this machine.
        say: receives the lines.
    """
    todo, settings = [run for run in runs if not run.is_done], cell.settings
    if not any(is_long(run, cell.images) for run in todo):
        return
    rates = rates_of(settings)
    found = estimate(cell, settings, todo, rates)
    parts = {"colorizers": found.colorizers, "fits": found.fits}
    told = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in parts.items() if seconds)
    runs_take = "the run takes" if len(todo) == 1 else f"{len(todo)} runs take"
    say(f"{runs_take} about {in_words(found.seconds)} on this machine ({_machine(settings)}): {told}")
    shorter = {
        effort: less.seconds
        for effort in EFFORTS
        if (less := estimate(cell, _with_effort(settings, effort), todo, rates)).seconds < 0.8 * found.seconds
    }
    if found.seconds > LONG and shorter:
        ways = ", ".join(f"effort={effort} {in_words(seconds)}" for effort, seconds in shorter.items())
        say(f"less time: {ways}; adn=frozen, which is not trained, seconds for a fold of a hundred images")


def estimate(cell: Cell, settings: Settings, runs: Sequence[Run], rates: Rates) -> Estimate:
    """The time of runs with the given settings, which may have other sizes than those of the cell."""
    unmade = [run for run in runs if run.settings != settings or not (run.maps_file.exists() or run.has_map_makers)]
    return Estimate(
        rates.colorizer * sum(colorizer_work(settings, cell.normals, run.fold) for run in unmade),
        rates.detector * sum(fit_work(settings, cell.images, run.fold) for run in runs),
    )


def rates_of(settings: Settings) -> Rates:
    """Measure the training steps of the colorizer and the detector on random images.

    Raises:
        LeanetError: settings that do not fit the networks, or a device that this machine does not have.
    """
    settings = replace(settings, tiles=None, tile_size=None)  # a tile takes as long as an image
    device, size = device_of(settings.trainer.accelerator), settings.image_size
    count = settings.trainer.batch_size
    if device.type == "cpu":
        count = min(count, max(2, _PIXELS_ON_CPU // size**2))
    colorizer = detector = 0.0
    with torch.random.fork_rng():
        batch = _batch(count, size, settings.needs_maps)
        if settings.has_colorizer:
            task = ColorizerTask(colorizer_of(settings.colorizer, size), settings.colorizer, batch["images"])
            colorizer = _seconds(task, batch, device, settings)
        if settings.has_epochs:
            with without_weights():
                network = detector_of(settings, 1)
            detector = _seconds(DetectorTask(network, settings.adn.lr), batch, device, settings)
    work = count * size**2
    return Rates(colorizer / work, detector / work)


def _batch(count: int, size: int, with_maps: bool) -> Tensors:
    batch = {
        "images": torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8),
        "labels": torch.arange(count) % 2,
    }
    maps = {"maps": torch.rand(count, 1, size, size), "scales": torch.ones(count)}
    return batch | maps if with_maps else batch


def _seconds(task: lightning.LightningModule, batch: Tensors, device: torch.device, settings: Settings) -> float:
    """The time of the fastest of some training steps, after a first one."""
    task.to(device).train()
    optimizer = task.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    there = {name: tensor.to(device) for name, tensor in batch.items()}
    mixed = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(settings.trainer.precision)
    if mixed and device.type == "cpu":
        mixed = torch.bfloat16  # as Lightning does

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, mixed) if mixed else nullcontext():
            loss = task.training_step(there, 0)["loss"]  # type: ignore[index]
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device

    step()
    times = [time.perf_counter()]
    while len(times) <= _STEPS or times[-1] - times[0] < _SECONDS:
        step()
        times.append(time.perf_counter())
    return min(end - begin for begin, end in itertools.pairwise(times))


def _with_effort(settings: Settings, effort: str) -> Settings:
    chosen = OmegaConf.load(CONF / "effort" / f"{effort}.yaml")
    return replace(
        settings,
        dataset={**settings.dataset, "image_size": chosen.dataset.image_size},
        trainer=replace(settings.trainer, max_epochs=chosen.trainer.max_epochs),
        colorizer=replace(settings.colorizer, max_epochs=chosen.colorizer.max_epochs),
    )


def _machine(settings: Settings) -> str:
    device = device_of(settings.trainer.accelerator)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else name_of(device)
