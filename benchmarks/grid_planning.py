"""What the grid sweeper itself costs: planning 4,000 runs of which 3,000 are done, and passing over 4,000 done ones.

    python benchmarks/grid_planning.py

prints a table. Each figure is of a whole command, from its start to its end, Python's and Hydra's start included.
"""

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from hydra import compose, initialize_config_dir
from tabulate import tabulate

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.grid.products import Configurations, expand
from leanet.runs.cell import Cells
from leanet.runs.run import Run
from leanet.storage.files import write_json
from leanet.storage.run_files import RESULT

AXES = {"adn": "resnet18,vgg16", "caan": "mobilenet,direct", "point": "1,2,3,4,5", "seed": "range(0,40)"}
RUNS = 4000


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        runs = planned(home)
        assert len(runs) == RUNS
        for done, words in ((0, ["hydra.sweeper.dry_run=true"]), (3000, ["hydra.sweeper.dry_run=true"]), (RUNS, [])):
            for run in runs[:done]:
                finish(run)
            seconds, torch = timed(home, words)
            rows.append(
                [" ".join(words) or "(do the rest)", done, f"{seconds:.1f}", f"{1000 * seconds / RUNS:.2f}", torch]
            )
    headers = ["4,000 runs", "done", "seconds", "ms a run", "imports torch"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def planned(home: Path) -> list[Run]:
    """The runs of the grid, made one after the other by the parts that the sweeper is made of."""
    given = [f"paths.runs={home}", "dataset.image_size=64"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configurations = Configurations(partial(compose, "train"), lambda key: (CONF / key).is_dir())
        cells = Cells()
        return [
            run
            for words in expand([AXES], given)
            for run in cells.of(settings_of(configurations.of(words, given))).runs
        ]


def finish(run: Run) -> None:
    """A result as a run leaves it."""
    head = {"f1": 0.5, "auroc": 0.5, "ap": 0.5, "collapsed": False, "last_epochs": {"mean": 0.5, "sd": 0.1}}
    facts = {
        "run": run.id,
        "cell": run.cell,
        "model": run.model,
        "dataset": "synthetic",
        "fold": run.fold,
        "folds": 5,
        "floor": 0.4,
        "caan": head,
    }
    images = {"train": {"negative": 120, "positive": 40}, "test": {"negative": 30, "positive": 10}}
    work = {"seconds": 12.3, "epochs": 100, "image_size": 64, "images": images}
    write_json(run.folder / RESULT, {**head, **facts, **work})


def timed(home: Path, words: list[str]) -> tuple[float, bool]:
    """Seconds that the command takes, and whether it imports torch."""
    products = "[{" + ", ".join(f"{axis}: '{values}'" for axis, values in AXES.items()) + "}]"
    grid = ["-m", f"hydra.sweeper.products={products}"]
    code = "import sys; from leanet.train import main; main(); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, *grid, f"paths.runs={home}", "dataset.image_size=64", *words]
    start = time.perf_counter()
    found = subprocess.run(command, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, bool(found.returncode)


if __name__ == "__main__":
    main()
