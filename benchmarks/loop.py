"""What a step costs besides arithmetic: Lightning's loop and ours around it, against a bare loop over the same batches.

    python benchmarks/loop.py

fits a network of a single number, so that nothing but the loop is left, and prints milliseconds a step, and what share
of a step of ResNet18 that is on this device.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor, nn

from leanet.config.settings import TrainerSettings
from leanet.detector.adn import Adn, resnet18
from leanet.detector.lea_net import LeaNet
from leanet.detector.task import DetectorTask
from leanet.training.batches import DeviceData, ShuffledBatches, Tensors
from leanet.training.fit import FitPlan, fit

IMAGES, EPOCHS, BATCH, SIZE = 480, 20, 16, 64
STEPS = IMAGES // BATCH * EPOCHS


class OneNumber(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :2, 0, 0] * self.number


def main() -> None:
    tensors = {
        "images": torch.randint(0, 256, (IMAGES, 3, SIZE, SIZE), dtype=torch.uint8),
        "labels": torch.arange(IMAGES) % 2,
    }
    ours = milliseconds(lambda: by_lightning(tensors))
    bare = milliseconds(lambda: by_hand(one_number(), tensors, EPOCHS))
    step = 1000 * timed(lambda: by_hand(DetectorTask(LeaNet(resnet18(3, SIZE)), 1e-4), tensors, 1)) / (IMAGES // BATCH)
    rows = [["bare loop", f"{bare:.2f}", ""], ["leanet.training.fit.fit", f"{ours:.2f}", f"{(ours - bare) / step:.1%}"]]
    print(f"{device()}, {SIZE}×{SIZE}, batch {BATCH}; a step of ResNet18 takes {step:.1f} ms in a bare loop\n")
    print(tabulate(rows, headers=["", "ms a step", "more than bare, of a ResNet18 step"], tablefmt="github"))


def one_number() -> DetectorTask:
    return DetectorTask(LeaNet(Adn(OneNumber(), (None,) * 5)), 1e-4)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def by_lightning(tensors: Tensors) -> None:
    settings = TrainerSettings(EPOCHS, BATCH, "auto", 1, "32-true", 60.0)
    with tempfile.TemporaryDirectory() as folder:
        fit(one_number(), DeviceData(tensors, BATCH, 0), FitPlan(Path(folder), "loop", EPOCHS, 0, settings))


def by_hand(task: DetectorTask, tensors: Tensors, epochs: int) -> None:
    task.to(device()).train()
    optimizer = task.configure_optimizers()
    batches = ShuffledBatches({key: value.to(device()) for key, value in tensors.items()}, BATCH, 0)
    for _ in range(epochs):
        for place, batch in enumerate(batches):
            optimizer.zero_grad()
            task.training_step(batch, place)["loss"].backward()
            optimizer.step()
    if device() == "cuda":
        torch.cuda.synchronize()


def milliseconds(call: Callable[[], object]) -> float:
    return 1000 * min(timed(call) for _ in range(3)) / STEPS


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
