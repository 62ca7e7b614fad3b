"""Training from a memory-mapped file that nobody has read yet, against the same images in memory.

    python benchmarks/streaming.py [images] [image size]

writes a file of random images (100,000 of 64×64 by default, 1.2 GB) to a temporary folder, makes the system forget its
pages, and trains ResNet18 on 1,920 of them from all over it: images a second by the clock, and the memory that the
process took for itself, which does not grow with the file. Each turn is a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from timing import median, ratio

from leanet.config.settings import TrainerSettings
from leanet.detector.adn import resnet18
from leanet.detector.lea_net import LeaNet
from leanet.detector.task import DetectorTask
from leanet.storage.files import read_array, write_array
from leanet.training.batches import DeviceData, choose
from leanet.training.fit import FitPlan, fit

TRAINED, BATCH, ROUNDS = 1920, 16, 3
ARMS = ("in memory", "memory-mapped, not read before")


def main() -> None:
    images, size = (int(word) for word in (sys.argv[1:] + ["100000", "64"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        write_array(file, (images, 3, size, size), np.uint8, paint)
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        for _ in range(ROUNDS):
            for arm in ARMS:
                forget(file)
                found[arm].append(child(file, arm))
        times = {arm: [each["seconds"] for each in turns] for arm, turns in found.items()}
        speeds = {arm: f"{TRAINED / median(times, arm):.1f}" for arm in ARMS}
        memory = {arm: f"{max(each['megabytes'] for each in found[arm]):,.0f}" for arm in ARMS}
        rows = [[arm, speeds[arm], f"{1 / ratio(times, arm, ARMS[0]):.1%}", memory[arm]] for arm in ARMS]
        print(f"{images:,} images of {size}×{size} ({file.stat().st_size / 1e6:,.0f} MB), ResNet18, batch {BATCH}\n")
    print(tabulate(rows, headers=["", "images/s", "of in memory", "own memory, MB"], tablefmt="github"))


def paint(images: NDArray[Any]) -> None:
    rng = np.random.default_rng(0)
    for start in range(0, len(images), 1000):
        part = images[start : start + 1000]
        part[:] = rng.integers(0, 256, part.shape, np.uint8)


def forget(file: Path) -> None:
    """Drop the file's pages from the system's cache."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def child(file: Path, arm: str) -> dict[str, float]:
    run = subprocess.run([sys.executable, __file__, "child", str(file), arm], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def train(file: Path, arm: str) -> None:
    """One turn, in a process of its own."""
    images = torch.from_numpy(read_array(file) if arm != ARMS[0] else np.load(file))
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:TRAINED]
    data = choose({"images": images, "labels": torch.arange(len(images)) % 2}, rows)
    task = DetectorTask(LeaNet(resnet18(3, images.shape[-1])), 1e-4)
    settings = TrainerSettings(1, BATCH, "auto", 1, "32-true", 60.0)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit(task, DeviceData(data, BATCH, 0), FitPlan(Path(folder), "streaming", 1, 0, settings))
        print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": own_memory()}))


def own_memory() -> float:
    """Megabytes that this process alone has, without files that are mapped."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("RssAnon")).split()[1]) / 1000


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        train(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
