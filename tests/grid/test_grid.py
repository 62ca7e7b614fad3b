"""Grids as they are typed, in real processes that are killed: finished whole, and to the bit as if undisturbed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.storage.files import read_json

# Two products, 6 runs: the plain classifier, and direct attention at two points; two folds.
PRODUCTS = "[{caan: none}, {caan: direct, point: '3,5'}]"
# 24 runs: four seeds of those.
LARGE = "[{caan: none, seed: 'range(0,4)'}, {caan: direct, point: '3,5', seed: 'range(0,4)'}]"
# Networks whose checkpoints are small, since one is written after every epoch.
SMALL = {"adn": "timm", "adn.model": "test_convnext", "colorizer": "autoencoder", "fold": "1,2"}
SMALL |= {"trainer.max_epochs": "3", "colorizer.max_epochs": "2"}

# Starts the command that follows, which hears Ctrl-C even if this is a job in a shell's background.
HEARING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def command(home: Path, tiny: tuple[str, ...], *words: str, products: str = PRODUCTS) -> list[str]:
    given = dict(word.split("=", 1) for word in (*tiny, *words)) | SMALL
    given |= {"hydra.sweeper.products": products, "paths.runs": str(home)}
    return [sys.executable, "-m", "leanet.train", "-m", *(f"{key}={value}" for key, value in given.items())]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(arguments, capture_output=True, text=True, env=environment())


def children(process: int) -> list[int]:
    """All descendants of a process, as Linux tells them."""
    try:
        files = list(Path(f"/proc/{process}/task").glob("*/children"))
        direct = [int(child) for file in files for child in file.read_text().split()]
    except FileNotFoundError:
        return []
    return [*direct, *(far for child in direct for far in children(child))]


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def results(home: Path) -> list[Path]:
    return sorted(home.glob("detectors/*/result.json"))


def outcome(home: Path) -> dict[str, Any]:
    """Everything that must not depend on how the grid came about: figures, predictions, weights, and which files."""
    found: dict[str, Any] = {}
    for file in results(home):
        result = read_json(file)
        del result["seconds"]
        kept = torch.load(file.parent / "last.ckpt", weights_only=True)["state_dict"]
        weights = {name: value.numpy().tobytes() for name, value in kept.items()}
        found[file.parent.name] = (result, (file.parent / "predictions.csv").read_text(), weights)
    files = (str(file.relative_to(home)) for file in home.rglob("*") if not {"logs", "sweeps"} & set(file.parts))
    return found | {"files": sorted(files)}


@pytest.fixture(scope="module")
def home(tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the grid was done without disturbance."""
    home = tmp_path_factory.mktemp("grid") / "runs"
    found = run(command(home, tiny))
    assert found.returncode == 0, found.stderr
    assert "6 runs: 0 done before, 6 done now, 0 failed, 0 not started" in found.stdout
    assert re.search(r"^\| test_convnext\+direct@3-autoencoder .* 2/2 ", found.stdout, re.MULTILINE)
    return home


def test_a_plan_counts_what_is_still_to_be_prepared(tmp_path: Path) -> None:
    """All 1,000 runs of Table 3, where none of its datasets is there."""
    words = [sys.executable, "-m", "leanet.train", "-m", "experiment=table3", f"paths.data={tmp_path}/data"]
    planned = run([*words, "hydra.sweeper.dry_run=true", f"paths.runs={tmp_path}/runs"])
    assert planned.returncode == 0, planned.stderr
    assert "runs: 1000, of which 0 done" in planned.stdout and "colorizers: 25, of which 0 made" in planned.stdout
    told = re.findall(r"^to be prepared: .*python -m leanet.prepare dataset=(\w+) ", planned.stdout, re.MULTILINE)
    assert told == ["retina", "potato", "cloud", "leather", "wood"]


def moments(seed: int, kills: int, longest: float) -> Iterator[tuple[float, bool]]:
    """When to kill, in seconds after the start, and whether the whole command or one of its processes."""
    chance = random.Random(seed)
    for _ in range(kills):
        yield chance.uniform(0.5, longest), chance.random() < 0.5


def disturbed(arguments: list[str], kills: Iterator[tuple[float, bool]]) -> int:
    """Start the command again and again, each time killing it or a process of it; how many kills hit something."""
    hit = 0
    for seconds, whole in kills:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        victims = [] if whole else children(process.pid)[-1:]  # the youngest is the run's
        for victim in victims or [process.pid]:
            if process.poll() is None:
                os.kill(victim, signal.SIGKILL)
                hit += 1
        if not victims:
            process.wait()
        else:
            time.sleep(1)  # so that the command may notice
            process.kill()
            process.wait()
    return hit


def done_once(home: Path, before: dict[Path, int]) -> bool:
    """Whether what was done is as it was: not a file of it written again."""
    return all(file.stat().st_mtime_ns == stamp for file, stamp in before.items())


def interrupted(arguments: list[str], done: int, home: Path) -> tuple[int, str, str]:
    """Give the command, press Ctrl-C when so many runs are done, and return its code and what it said."""
    # As in a terminal: all of a process group is told.
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    while len(results(home)) < done:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    return process.returncode, out, err


def test_killed_and_interrupted_and_gone_on_with(home: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    arguments = command(tmp_path, tiny)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    while len(results(tmp_path)) < 2:
        time.sleep(0.05)
    before = {file: file.stat().st_mtime_ns for file in results(tmp_path)}
    of_a_run = children(process.pid)
    process.kill()
    process.wait()
    end = time.monotonic() + 60
    while any(map(lives, of_a_run)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in of_a_run if lives(pid)], "a run outlives its command"

    code, out, err = interrupted(arguments, len(results(tmp_path)) + 1, tmp_path)
    assert code == 130, out + err
    assert re.search(r"6 runs: \d done before, \d done now, 0 failed, \d not started", out)
    assert err == "leanet: stopped; the same command resumes from here\n"

    found = run(arguments)
    assert found.returncode == 0, found.stderr
    told = re.search(r"6 runs: (\d) done before, \d done now, 0 failed, 0 not started", found.stdout)
    assert told and len(before) < int(told[1]) < 6
    assert done_once(tmp_path, before)
    assert outcome(tmp_path) == outcome(home)


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_done_within_the_same_command(
    home: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    process = subprocess.Popen(command(tmp_path, tiny), stdout=subprocess.PIPE, text=True, env=environment())
    while not list(tmp_path.glob("detectors/*/config.yaml")):
        time.sleep(0.01)
    os.kill(children(process.pid)[-1], signal.SIGKILL)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "was killed (SIGKILL)" in out and "6 done now, 0 failed" in out
    assert outcome(tmp_path) == outcome(home)


@pytest.mark.slow
def test_24_runs_killed_20_times(tiny: tuple[str, ...], tmp_path: Path) -> None:
    quiet, loud = (command(tmp_path / name, tiny, products=LARGE) for name in ("quiet", "loud"))
    assert run(quiet).returncode == 0
    hit = disturbed(loud, moments(seed=0, kills=20, longest=12))
    found = run([*loud, "hydra.sweeper.retry=true"])
    assert hit >= 15 and found.returncode == 0, found.stdout
    assert len(results(tmp_path / "loud")) == 24
    assert outcome(tmp_path / "loud") == outcome(tmp_path / "quiet")


def test_what_is_done_is_told_without_torch(home: Path, tiny: tuple[str, ...]) -> None:
    code = "import sys; from leanet.train import main; main(); print('torch' in sys.modules)"
    before = {file: file.stat().st_mtime_ns for file in results(home)}
    arguments = command(home, tiny)[3:]
    for words, text in ((["hydra.sweeper.dry_run=true"], "6 done, 0 not started"), ([], "6 done before, 0 done now")):
        found = run([sys.executable, "-c", code, *arguments, *words])
        assert text in found.stdout
        assert found.stdout.splitlines()[-1] == "False"
    assert done_once(home, before)


def test_a_comparison_of_what_is_done_ends_with_one_table_and_a_command(home: Path, tiny: tuple[str, ...]) -> None:
    before = {file: file.stat().st_mtime_ns for file in results(home)}
    found = run(command(home, tiny, "hydra.sweeper.against=test_convnext"))
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("F1 less that of test_convnext") == 1 and "last epochs" not in found.stdout
    [fit] = [line for line in found.stdout.splitlines() if line.startswith("python -m leanet.fit ")]
    assert f"paths.runs={home}" in fit and "hydra" not in fit and "fold=" not in fit
    assert done_once(home, before)
    wrong = run(command(home, tiny, "hydra.sweeper.against=typo"))
    assert wrong.returncode == 1 and "against=typo: no model of this grid; choose from test_convnext," in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_a_plain_sweep_is_a_grid_and_hydras_own_sweeper_can_be_chosen(home: Path, tiny: tuple[str, ...]) -> None:
    """Both leave out what is done; the grid ends in one table."""
    before = {file: file.stat().st_mtime_ns for file in results(home)}
    words = [word for word in command(home, tiny, "caan=direct", "point=3,5") if not word.startswith("hydra")]
    swept, basic = run(words), run([*words, "hydra/sweeper=basic"])
    assert "4 runs: 4 done before, 0 done now, 0 failed, 0 not started" in swept.stdout, swept.stderr
    assert swept.stdout.count("always positive") == 1 and swept.stdout.count("test_convnext+direct@") == 2
    assert basic.stdout.count("all done before, nothing to train") == 4, basic.stderr
    assert done_once(home, before)


def test_another_command_is_started_for_each_cell(tiny: tuple[str, ...], tmp_path: Path) -> None:
    """Its dry run says with which overrides; tests/test_fit.py starts one."""
    words = [sys.executable, "-m", "leanet.info", "-m", "caan=none,direct", "point=4", "hydra.sweeper.dry_run=true"]
    assert run(words).stdout == "caan=none point=4\ncaan=direct point=4\n"


SIDE_BY_SIDE = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=3"]


@pytest.mark.parametrize(
    ("words", "colorizers", "how"),
    [([], 2, "one after the other"), (["map.cross_fit=null,3", *SIDE_BY_SIDE], 8, "3 side by side")],
)
def test_the_plan(words: list[str], colorizers: int, how: str, tiny: tuple[str, ...], tmp_path: Path) -> None:
    found = run(command(tmp_path, tiny, "hydra.sweeper.dry_run=true", *words))
    assert found.returncode == 0, found.stderr
    runs = 6 if len(words) == 0 or "null" not in words[0] else 10  # two of them plain
    for text in (
        f"runs: {runs}, of which 0 done, {runs} not started, 0 failed, 0 failed twice the same way",
        f"colorizers: {colorizers}, of which 0 made",
        f"time for the rest, {how}: unknown before a first run is done",
    ):
        assert text in found.stdout
    assert not list(tmp_path.glob("detectors/*"))


def test_cells_of_one_name_are_told_apart(tiny: tuple[str, ...], tmp_path: Path) -> None:
    products = "[{caan: none, split_seed: '0,1'}, {caan: none, seed: 7}, {caan: direct}]"
    found = run(command(tmp_path, tiny, "hydra.sweeper.dry_run=true", products=products))
    names = [line.split("|")[2].strip() for line in found.stdout.splitlines() if line.startswith("| synthetic")]
    assert names == [
        "test_convnext (split_seed=0, seed=0)",
        "test_convnext (split_seed=1, seed=0)",
        "test_convnext (split_seed=0, seed=7)",
        "test_convnext+direct@4-autoencoder",
    ]


@pytest.mark.slow
def test_a_failing_run_is_told_and_given_up(tiny: tuple[str, ...], tmp_path: Path) -> None:
    learning_rates = "[{caan: none, adn.lr: '1e-3,1e30'}]"
    typed = command(tmp_path, tiny, products=learning_rates)
    arguments = ["fold=1" if word == "fold=1,2" else word for word in typed if word != "adn.lr=1e-3"]
    for time_ in (1, 2, 3):
        found = run(arguments)
        assert found.returncode == 1
        done = "1 done before, 0" if time_ > 1 else "0 done before, 1"
        assert f"2 runs: {done} done now, 1 failed, 0 not started" in found.stdout
        [line] = [line for line in found.stdout.splitlines() if line.startswith("failed: ")]
        assert "the loss is not finite" in line
        assert ("hydra.sweeper.retry=true" in line) == (time_ > 1)
        log = Path(line[line.rindex("(") + 1 : -1])
        assert "Traceback" in log.read_text()
        assert found.stderr == "leanet: 1 of 2 runs are not done; the same command resumes them\n"
        times = json.loads((log.parent / "failure.json").read_text())["times"]
        assert times == min(time_, 2)
