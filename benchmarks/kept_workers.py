"""What a grid saves by keeping a worker's process between runs, for short runs: against a new process for each run.

    OMP_NUM_THREADS=1 python benchmarks/kept_workers.py

prints a table. A worker's first process imports everything; those after it are forked, in both cases.
"""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tabulate import tabulate
from timing import in_turns, median, ratio

from leanet.config.command_line import CONF
from leanet.grid.share import Share
from leanet.grid.worker import RunProcess

RUNS, ROUNDS = 6, 2
GRIDS = {
    "cnn, 1 epoch, 32 px": ["adn=cnn", "trainer.max_epochs=1", "dataset.image_size=32"],
    "frozen, 64 px": ["adn=frozen", "dataset.image_size=64"],
}
NEW, KEPT = "new processes", "a kept process"


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        homes = (Path(folder) / str(number) for number in count())
        for name, words in GRIDS.items():
            times = in_turns({NEW: partial(new, homes, words), KEPT: partial(kept, homes, words)}, ROUNDS)
            seconds = [f"{median(times, contender) / RUNS:.2f}" for contender in (NEW, KEPT)]
            rows.append([name, *seconds, f"{ratio(times, NEW, KEPT):.2f}"])
    print(tabulate(rows, headers=["seconds a run", NEW, KEPT, "ratio"], tablefmt="github", disable_numparse=True))


def new(homes: Iterator[Path], words: Sequence[str]) -> None:
    for config in configs(next(homes), words):
        process = RunProcess(Share({}))
        process.do(config)
        process.end()


def kept(homes: Iterator[Path], words: Sequence[str]) -> None:
    process = RunProcess(Share({}))
    for config in configs(next(homes), words):
        process.do(config)
    process.end()


def configs(home: Path, words: Sequence[str]) -> list[dict[str, Any]]:
    """Of the runs, whose splits differ."""
    given = [*words, "caan=none", "folds=2", "fold=1", f"paths.runs={home}"]
    found = []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for seed in range(RUNS):
            container: Any = OmegaConf.to_container(compose("train", [*given, f"split_seed={seed}"]), resolve=True)
            found.append(container)
    return found


if __name__ == "__main__":
    main()
