"""Fits of random images, timed by their epochs, in processes of their own: what gpu.py and gpu_grid.py share."""

import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from timing import synchronize

from leanet.colorizer.build import colorizer_of
from leanet.colorizer.task import ColorizerTask
from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.detector.build import detector_of
from leanet.detector.task import DetectorTask
from leanet.training.batches import DeviceData, Tensors
from leanet.training.fit import FitPlan, fit
from leanet.training.graphs import WARM_UP

BATCH = 16
UNET = "U-Net"
ATTENTION = "ResNet18 + MobileNet CAAN"
NETWORKS = {
    "ResNet18": ["adn=resnet18", "caan=none"],
    ATTENTION: ["adn=resnet18", "caan=mobilenet"],
    "VGG16 + ResNet CAAN": ["adn=vgg16", "caan=resnet"],
    UNET: [],
}


@dataclass(frozen=True)
class Way:
    """How steps are done.

    Args:
        words: overrides.
        searches: whether cuDNN searches for the fastest convolutions.
        warm: epochs that do not count. In the fourth, the step of the smaller last batch, one an epoch, is recorded.
    """

    words: tuple[str, ...] = ()
    searches: bool = False
    warm: int = WARM_UP + 1


EAGER, GRAPH = "float32 eager", "float32 graph"
WAYS = {
    EAGER: Way(("trainer.compile=false",), warm=1),
    GRAPH: Way(),
    "float32 graph, cuDNN's search": Way(searches=True),
    "bfloat16 graph": Way(("trainer.precision=bf16-mixed",)),
    "bfloat16 compiled + graph": Way(("trainer.precision=bf16-mixed", "trainer.compile=true")),
}

# A fork has all that was imported, and no GPU yet, as long as this process never begins to use one: then looking for
# one must not begin to use it.
FORKS = multiprocessing.get_context("fork")
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")


def fresh(parts: Callable[..., Iterator[Any]], *given: Any, seconds: float = 120) -> list[Any]:
    """What a process of its own yields, until it ends, dies or has had its time."""
    receiver, sender = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_send, args=(sender, parts, *given))
    process.start()
    sender.close()
    found, end = [], time.monotonic() + seconds
    with suppress(EOFError):
        while receiver.poll(max(0, end - time.monotonic())):
            found.append(receiver.recv())
    process.kill()
    process.join()
    return found


def _send(sender: Connection, parts: Callable[..., Iterator[Any]], *given: Any) -> None:
    for part in parts(*given):
        sender.send(part)


def card() -> Iterator[str]:
    """The name of the GPU, if there is one."""
    if torch.cuda.is_available():
        yield torch.cuda.get_device_name()


class FitEndedError(Exception):
    """Ends a fit without its last checkpoint, which may take as long as many epochs."""


class Clock(Callback):
    """Notes when epochs end, the device's work included, and ends the fit after some.

    Args:
        epochs: after how many the fit ends.
        searches: whether cuDNN searches for the fastest convolutions, however long the fit is.

    Attributes:
        ends: by `time.monotonic`, which all processes share.
    """

    def __init__(self, epochs: float = math.inf, searches: bool = False) -> None:
        self.epochs = epochs
        self.searches = searches
        self.ends: list[float] = []

    def on_train_epoch_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        torch.backends.cudnn.benchmark = self.searches  # after UseDevice, which comes first

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        synchronize()
        self.ends.append(time.monotonic())
        if len(self.ends) >= self.epochs:
            raise FitEndedError


def run(network: str, way: Way, tensors: Tensors, clock: Clock, *more: Callback) -> float:
    """Fit a new network until the clock ends it, and return when the fit began."""
    task, seen, settings = prepared(network, way, tensors)
    with tempfile.TemporaryDirectory() as folder, suppress(FitEndedError):
        plan = FitPlan(Path(folder), network, 10**6, 0, settings.trainer)
        start = time.monotonic()
        fit(task, DeviceData(seen, BATCH, 0), plan, callbacks=[clock, *more])
    return start


def prepared(network: str, way: Way, tensors: Tensors) -> tuple[lightning.LightningModule, Tensors, Settings]:
    """A new network's task, what it sees of the images, and its settings."""
    images = tensors["images"]
    settings = settings_for([*NETWORKS[network], *way.words], images.shape[-1])
    if network == UNET:
        colorizer = colorizer_of(settings.colorizer, settings.image_size)
        return ColorizerTask(colorizer, settings.colorizer, images[:BATCH]), {"images": images}, settings
    seen = tensors if settings.needs_maps else {"images": images, "labels": tensors["labels"]}
    return DetectorTask(detector_of(settings, 1), settings.adn.lr), seen, settings


def settings_for(words: list[str], size: int) -> Settings:
    common = [f"dataset.image_size={size}", f"trainer.batch_size={BATCH}", "trainer.checkpoint_seconds=86400"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", [*words, *common]), resolve=True)
    return settings_of(config)


def random_tensors(size: int, images: int) -> Tensors:
    return {
        "images": torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8),
        "labels": torch.arange(images) % 2,
        "maps": torch.rand(images, 1, size, size).half(),
        "scales": torch.ones(images),
    }
