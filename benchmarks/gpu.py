"""Whole fits on a GPU at the paper's size: seconds a fold, the share of the card's peak, and several side by side.

    python benchmarks/gpu.py [image size] [images]

fits ResNet18 + MobileNet CAAN, VGG16 + ResNet CAAN and the U-Net to 486 random images of 256×256, batch 16, as
strawberry's folds are, in float32 and bfloat16, as they are and compiled (the detectors). An epoch is timed after three
that do not count, and 100 of them are a fold (500 of the colorizer). The peak is that of a large matrix product in
bfloat16. Where there is no GPU it runs all the same, at sizes that a CPU can bear, to show that it works.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightning
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from leanet.colorizer.build import colorizer_of
from leanet.colorizer.task import ColorizerTask
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.detector.build import detector_of
from leanet.detector.task import DetectorTask
from leanet.training.batches import DeviceData, Tensors
from leanet.training.fit import FitPlan, fit

WARM, TIMED, BATCH = 3, 5, 16
WORK = {
    "ResNet18 + MobileNet CAAN": ["adn=resnet18", "caan=mobilenet"],
    "VGG16 + ResNet CAAN": ["adn=vgg16", "caan=resnet"],
    "U-Net": [],
}
WAYS = {
    "float32": [],
    "bfloat16": ["trainer.precision=bf16-mixed"],
    "bfloat16, compiled": ["trainer.precision=bf16-mixed", "trainer.compile=true"],
}
SIDE_BY_SIDE = (1, 2, 4)


class Clock(Callback):
    """The moments at which epochs ended, when the device had done all of it."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def main() -> None:
    size, images = (int(word) for word in (sys.argv[1:] + ["256", "486"][len(sys.argv) - 1 :]))
    peak, rows = matrix_peak(), []
    for work in WORK:
        for way in ways(work):
            seconds, flops = epoch(work, way, size, images)
            fold = seconds * (500 if work == "U-Net" else 100)
            speed = flops * images / seconds
            rows.append([work, way, f"{images / seconds:,.0f}", f"{fold:.1f}", f"{speed / peak:.1%}"])
    print(f"{device()}, {size}×{size}, {images} images; bfloat16 matrix product {peak / 1e12:.2f} TFLOP/s\n")
    print(tabulate(rows, headers=["", "", "images/s", "seconds a fold", "of the peak"], tablefmt="github"))
    beside(size, images)


def ways(work: str) -> list[str]:
    """A CPU has float32 alone: bfloat16 takes it many times as long."""
    if not torch.cuda.is_available():
        return list(WAYS)[:1]
    return list(WAYS)[:2] if work == "U-Net" else list(WAYS)


def device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def matrix_peak() -> float:
    """Floating-point operations a second of a bfloat16 matrix product."""
    side = 8192 if torch.cuda.is_available() else 512
    matrix = torch.randn(side, side, device="cuda" if torch.cuda.is_available() else "cpu", dtype=torch.bfloat16)
    return 2 * side**3 / timed(lambda: matrix @ matrix)


def timed(call: Callable[[], object], calls: int = 20) -> float:
    for turn in range(calls + 3):
        if turn == 3:
            synchronize()
            start = time.perf_counter()
        call()
    synchronize()
    return (time.perf_counter() - start) / calls


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def epoch(work: str, way: str, size: int, images: int) -> tuple[float, float]:
    """Seconds of an epoch, and floating-point operations an image in training."""
    settings = settings_for([*WORK[work], *WAYS[way]], size)
    tensors = random_tensors(size, images)
    task: lightning.LightningModule
    if work == "U-Net":
        colorizer = colorizer_of(settings.colorizer, size)
        task, tensors = ColorizerTask(colorizer, settings.colorizer, tensors["images"]), {"images": tensors["images"]}
    else:
        task = DetectorTask(detector_of(settings, 1), settings.adn.lr)
    with FlopCounterMode(display=False) as counter:
        task.training_step({key: value[:2] for key, value in tensors.items()}, 0)["loss"].backward()
    if settings.trainer.compile:
        task.network.compile(mode="reduce-overhead")  # type: ignore
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        plan = FitPlan(Path(folder), work, WARM + TIMED, 0, settings.trainer)
        fit(task, DeviceData(tensors, BATCH, 0), plan, callbacks=[clock])
    return (clock.ends[-1] - clock.ends[WARM - 1]) / TIMED, counter.get_total_flops() / 2


def settings_for(words: list[str], size: int) -> Settings:
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        config = compose("train", [*words, f"dataset.image_size={size}", f"trainer.batch_size={BATCH}"])
    return settings_of(
        {key: value for key, value in OmegaConf.to_container(config, resolve=True).items() if key != "hydra"}
    )  # type: ignore


def random_tensors(size: int, images: int) -> Tensors:
    return {
        "images": torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8),
        "labels": torch.arange(images) % 2,
        "maps": torch.rand(images, 1, size, size).half(),
        "scales": torch.ones(images),
    }


def beside(size: int, images: int) -> None:
    """How many images a second several processes come to that fit the smaller network on one card."""
    rows = []
    for count in SIDE_BY_SIDE:
        command = [sys.executable, __file__, "child", str(size), str(images)]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        speeds = [float(process.communicate()[0].splitlines()[-1]) for process in processes]
        rows.append([count, f"{sum(speeds):,.0f}"])
    print("\nResNet18 + MobileNet CAAN, several fits side by side\n")
    print(tabulate(rows, headers=["fits", "images/s in all"], tablefmt="github"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        print(
            int(sys.argv[3]) / epoch("ResNet18 + MobileNet CAAN", ways("")[-1], int(sys.argv[2]), int(sys.argv[3]))[0]
        )
    else:
        main()
