import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
os.environ["OMP_NUM_THREADS"] = "1"

from leanet.config.command_line import CONF  # after the environment is set
from leanet.data.synthetic import SyntheticLeaves

Configure = Callable[..., dict[str, Any]]

# Small enough for seconds on one core, with everything in it.
TINY = (
    "dataset.image_size=32",
    "dataset.negatives=24",
    "dataset.positives=12",
    "trainer.max_epochs=6",
    "trainer.checkpoint_seconds=0",
    "colorizer.max_epochs=3",
    "folds=2",
    "fold=1",
    "adn.lr=1e-3",
)

# A server that has imported everything forks each process in milliseconds; one thread, so that forks are safe.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["leanet.experiment.fold", "leanet.model.load", "sklearn.linear_model"])
LIKE_PYTHON = """
import os, runpy, sys
os.chdir({cwd!r})
for name in ("LEANET_DATA", "LEANET_RUNS", "HYDRA_FULL_ERROR"):
    os.environ.pop(name, None)
os.environ.update({env!r})
sys.path.insert(0, {cwd!r})
for stream, file in zip((1, 2), {files!r}):
    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
kind, *rest = {words!r}
sys.argv = {{"-m": rest, "-c": ["-c", *rest[1:]]}}.get(kind, [kind, *rest])
if kind == "-c":
    exec(rest[0], {{"__name__": "__main__"}})
elif kind == "-m":
    runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
else:
    runpy.run_path(kind, run_name="__main__")
"""


# A process is given a file at a time: those that take long come first, or one would be left to the end alone.
LONG = (
    "docs/test_commands.py",
    "grid/test_grid.py",
    "experiment/test_fold.py",
    "experiment/test_tiles.py",
    "report/figures/test_draw.py",
    "report/wandb/test_logger.py",
    "storage/test_locks.py",
    "benchmarks/test_gpu.py",
    "test_export.py",
    "test_predict.py",
    "test_predict_page.py",
    "model/test_pipeline.py",
    "model/test_onnx.py",
    "test_info.py",
    "config/test_command_line.py",
    "conf/test_experiments.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Python = Callable[..., Ended]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """python("-m", "leanet.info", "point=4", cwd=folder, LC_ALL="C") → how such a process ends, without its imports."""
    files = [str(tmp_path_factory.mktemp("printed") / name) for name in ("out", "err")]

    def ended(*words: object, cwd: Path, **env: str) -> Ended:
        code = LIKE_PYTHON.format(cwd=str(cwd), env=env, files=files, words=[*map(str, words)])
        process = PROCESSES.Process(target=exec, args=(code,))
        process.start()
        process.join()
        return Ended(process.exitcode, *(Path(file).read_text() for file in files))

    return ended


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """once("name", make) → a folder that make(folder) has filled, once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    root.mkdir(exist_ok=True)

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        done = root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not done.exists():
                (root / name).mkdir(exist_ok=True)
                make(root / name)
                done.touch()
        return root / name

    return folder


class Made(NamedTuple):
    """Where runs are, and the folder of images that they were made of."""

    runs: Path
    photos: Path

    @property
    def model(self) -> Path:
        (folder,) = self.runs.glob("models/*")
        return folder

    @property
    def folds(self) -> list[Path]:
        return sorted(self.runs.glob("detectors/*"))


@pytest.fixture(scope="session")
def painted(once: Once) -> Path:
    """24 normal and 12 anomalous leaves as PNG files, not of the size that networks see."""
    return once("photos", paint)


def paint(root: Path) -> None:
    leaves = SyntheticLeaves(image_size=40, negatives=24, positives=12).load(root)
    for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
        file = root / ("Positive" if label else "Negative") / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)


SHORT = ("fold=null", "trainer.max_epochs=2", "colorizer.max_epochs=1", "validation=0.25")
LIGHT = ("adn=timm", "adn.model=test_resnet", "adn.lr=1e-2", "colorizer=autoencoder")


@pytest.fixture(scope="session")
def made_config(configure: Configure, painted: Path) -> Callable[[Path], dict[str, Any]]:
    """made_config(runs) → what `made` is made by, with its runs under `runs`."""

    def config(runs: Path) -> dict[str, Any]:
        dataset = {"_target_": "leanet.data.folder.ImageFolder", "name": "folder", "root": str(painted)}
        return {**configure(runs, *SHORT, *LIGHT), "dataset": {**dataset, "image_size": 32}}

    return config


@pytest.fixture(scope="session")
def made(made_config: Callable[[Path], dict[str, Any]], painted: Path, once: Once) -> Made:
    """A cell of two folds with validation images, and a model fitted on all: to be read, not changed."""
    from leanet.fit import fit

    return Made(once("made", lambda runs: fit(made_config(runs))), painted)


@pytest.fixture(scope="module")
def no_sheets() -> Iterator[None]:
    """Runs of this process draw no sheet.png, which tests/experiment/test_fold.py looks at."""
    from leanet.experiment import fold

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "draw_sheet", lambda *given: None)
        yield


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides for a run that takes seconds."""
    return TINY


@pytest.fixture(scope="session")
def configure() -> Configure:
    """configure(home, "point=2", …) → the resolved configuration of TINY and those, with its runs under home."""

    def composed(home: Path, *overrides: str) -> dict[str, Any]:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[f"paths.runs={home}", *TINY, *overrides])
        container: Any = OmegaConf.to_container(config, resolve=True)
        return container

    return composed
