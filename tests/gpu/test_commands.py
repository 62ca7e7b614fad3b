"""The commands on runs that a GPU made, a fit that is killed there, and a lack of its memory."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.storage.files import read_json
from leanet.training.fit import CHECKPOINT

Python = Callable[..., Any]
TOLERANCE = 0.05  # of a probability after a fit: sums on a GPU have no fixed order


@pytest.fixture(scope="session")
def words(tiny: tuple[str, ...], accelerator: str) -> tuple[str, ...]:
    return (
        *tiny,
        "adn=resnet18",
        "point=4",
        "validation=0.25",
        f"trainer.accelerator={accelerator}",
    )


@pytest.fixture(scope="session")
def runs(words: tuple[str, ...], python: Python, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run without and one with attention are done."""
    home = tmp_path_factory.mktemp("gpu") / "runs"
    for caan in ("none", "mobilenet"):
        ended = python("-m", "leanet.train", *words, f"caan={caan}", f"paths.runs={home}", cwd=home.parent)
        assert ended.returncode == 0, ended.stderr
        assert "without CUDA graphs" not in ended.stderr
    return home


def with_attention(home: Path) -> Path:
    [folder] = home.glob("detectors/*mobilenet*")
    return folder


def probabilities(folder: Path) -> list[float]:
    with (folder / "predictions.csv").open(newline="") as rows:
        return [float(row["adn"]) for row in csv.DictReader(rows)]


def test_a_result_says_what_it_was_made_on(runs: Path, accelerator: str) -> None:
    result = read_json(with_attention(runs) / "result.json")
    assert result is not None
    assert result["device"].startswith("cuda (" if accelerator == "gpu" else "cpu")
    assert result["precision"] in ("tf32", "float32")


@pytest.mark.parametrize("on", ["auto", "cpu"])
def test_ablate_accepts_the_run_on_either_device(on: str, runs: Path, python: Python) -> None:
    folder = with_attention(runs)
    (folder / "ablation.json").unlink(missing_ok=True)
    ended = python("-m", "leanet.ablate", f"runs={folder}", f"accelerator={on}", f"paths.runs={runs}", cwd=runs)
    assert ended.returncode == 0, ended.stderr
    assert set(read_json(folder / "ablation.json") or {}) == {"constant", "shuffled"}


def test_predict_gives_the_same_on_either_device(runs: Path, painted: Path, python: Python, accelerator: str) -> None:
    found = []
    for on in (accelerator, "cpu"):
        out = runs.parent / f"predicted on {on}"
        words = (f"run={with_attention(runs)}", f"source={painted}", f"out={out}", f"accelerator={on}", "overlays=true")
        ended = python("-m", "leanet.predict", *words, f"paths.runs={runs}", cwd=runs)
        assert ended.returncode == 0, ended.stderr
        with (out / "predictions.csv").open(newline="") as rows:
            found.append([float(row["probability"]) for row in csv.DictReader(rows)])
    assert len(found[0]) == 36 and found[0] == pytest.approx(found[1], abs=5e-3)


@pytest.mark.parametrize(
    "command",
    [
        ["export", "run={run}"],
        ["export", "run={run}", "format=torch"],
        ["report"],
        *(["report", f"figure={figure}"] for figure in ("3", "6", "curves", "mistakes")),
        ["report", "page"],
    ],
)
def test_commands_that_read_the_run(command: list[str], runs: Path, python: Python) -> None:
    name, *given = (word.format(run=with_attention(runs)) for word in command)
    ended = python("-m", f"leanet.{name}", *given, f"paths.runs={runs}", cwd=runs)
    assert ended.returncode == 0, ended.stderr


def test_ddp_with_one_device_is_the_same_run(
    words: tuple[str, ...], runs: Path, python: Python, tmp_path: Path
) -> None:
    given = (*words, "caan=mobilenet", "trainer=ddp", "trainer.devices=1", f"paths.runs={tmp_path}")
    ended = python("-m", "leanet.train", *given, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    folder = with_attention(tmp_path)
    assert folder.name == with_attention(runs).name
    assert probabilities(folder) == pytest.approx(probabilities(with_attention(runs)), abs=TOLERANCE)


def test_a_killed_fit_ends_as_one_that_was_left_alone(words: tuple[str, ...], runs: Path, tmp_path: Path) -> None:
    given = [f"{key}={value}" for key, value in dict(word.split("=") for word in words).items()]
    command = [sys.executable, "-m", "leanet.train", *given, "caan=mobilenet", f"paths.runs={tmp_path}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not [*tmp_path.glob(f"detectors/*/{CHECKPOINT}")]:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not [*tmp_path.glob("detectors/*/result.json")]
    subprocess.run(command, check=True, capture_output=True)
    assert probabilities(with_attention(tmp_path)) == pytest.approx(probabilities(with_attention(runs)), abs=TOLERANCE)


@contextmanager
def little_memory(left: int) -> Iterator[None]:
    """A context in which other processes have about `left` bytes of the GPU's memory."""
    hoard = []
    while (free := torch.cuda.mem_get_info()[0]) > left:
        hoard.append(torch.empty(min(free - left, 1 << 30), dtype=torch.uint8, device="cuda"))
        if free - left < 64 << 20:
            break
    try:
        yield
    finally:
        hoard.clear()
        torch.cuda.empty_cache()


def test_a_lack_of_memory_is_one_line_and_costs_one_run(
    words: tuple[str, ...], python: Python, tmp_path: Path, accelerator: str
) -> None:
    if accelerator == "cpu":
        pytest.skip("needs the memory of a GPU")
    given = (*words, "caan=none", "dataset.image_size=256", "trainer.batch_size=32", f"paths.runs={tmp_path}")
    with little_memory(left=4 << 30):
        ended = python("-m", "leanet.train", *given, "adn=vgg19", cwd=tmp_path)
        grid = python("-m", "leanet.train", "-m", *given, "adn=vgg19,resnet18", cwd=tmp_path)
    assert ended.returncode == 1 and ended.stderr.splitlines()[-1].startswith("leanet: out of GPU memory")
    assert "Traceback" not in ended.stderr
    assert grid.returncode == 1 and "1 done now, 1 failed" in grid.stdout
