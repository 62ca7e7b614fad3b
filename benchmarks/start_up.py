"""How long a command takes to say something: help, completion, a mistake, a finished run, and a first step of training.

    python benchmarks/start_up.py

prints seconds from the start of the process. A first step is over when the checkpoint of the first epoch is there.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

ROUNDS = 5
SMALL = [
    "dataset.image_size=32",
    "folds=2",
    "fold=1",
    "caan=none",
    "trainer.max_epochs=1",
    "trainer.checkpoint_seconds=0",
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = [*SMALL, f"paths.runs={folder}"]
        first = first_step(words, Path(folder))
        command(words)
        commands = {
            "--help": ["--help"],
            "completion": ["-sc", "query=bash"],
            "a mistake: adn.lrr=1": ["adn.lrr=1"],
            "a finished run": words,
        }
        rows = [[name, *spread([command(given) for _ in range(ROUNDS)])] for name, given in commands.items()]
    print(tabulate([*rows, ["a first step", f"{first:.2f}", ""]], headers=["", "seconds", "to"], tablefmt="github"))


def command(words: list[str]) -> float:
    environment = {**os.environ, "COMP_LINE": "leanet-train datas"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "leanet.train", *words], capture_output=True, env=environment)
    return time.perf_counter() - start


def first_step(words: list[str], home: Path) -> float:
    """Of a training that starts from nothing, its painted images included."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "leanet.train", *words], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(home.glob("detectors/*/last.ckpt")):
            time.sleep(0.01)
        return time.perf_counter() - start


def spread(times: list[float]) -> tuple[str, str]:
    return f"{statistics.median(times):.2f}", f"{max(times):.2f}"


if __name__ == "__main__":
    main()
