"""Grids under each launcher, as processes: whatever is killed while one runs, the same command ends with all of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from leanet.grid.share import share_of_a_run

LONG = ("adn=cnn", "trainer.max_epochs=40")  # small checkpoints, and time to kill something while a run goes on


@contextmanager
def grid(home: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, its output in home/out.txt; ended with whatever the test leaves of it."""
    command = [sys.executable, "-m", "leanet.train", "-m", f"paths.runs={home}", *words]
    with (home / "out.txt").open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def said(home: Path) -> str:
    return (home / "out.txt").read_text()


def until(condition: Callable[[], object], process: "subprocess.Popen[str]", home: Path) -> None:
    """Wait while the grid runs; what it said if it ended before `condition` held."""
    while not condition():
        assert process.poll() is None, said(home)
        time.sleep(0.1)


def processes(*words: str) -> list[int]:
    """Those whose command line has all `words` in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may just have ended
            line = (entry / "cmdline").read_text()
            found += [int(entry.name)] if all(word in line for word in words) else []
    return found


def children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def checkpoints(home: Path) -> list[Path]:
    return list(home.glob("detectors/*/last.ckpt"))


def epoch_of(checkpoint: Path) -> int:
    """A finished run's checkpoint has networks alone: the end of all epochs."""
    return int(torch.load(checkpoint, weights_only=True).get("epoch", 1_000_000))


@pytest.mark.slow  # the other tests of grids use it too
def test_joblib(tiny: tuple[str, ...], tmp_path: Path) -> None:
    words = [*tiny, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "adn=cnn", "caan=none", "fold=1,2"]
    with grid(tmp_path, *words) as process:
        code = process.wait()
    assert code == 0, said(tmp_path)
    assert "2 runs: 0 done before, 2 done now, 0 failed, 0 not started" in said(tmp_path)


@pytest.mark.slow
def test_joblib_goes_on_without_a_killed_worker(tiny: tuple[str, ...], tmp_path: Path) -> None:
    axes = ["caan=none,direct", "point=3,4", "fold=1,2"]
    words = [*tiny, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *axes, *LONG]
    with grid(tmp_path, *words) as process:
        until(lambda: checkpoints(tmp_path), process, tmp_path)
        workers = set(children(process.pid)) & set(processes("popen_loky"))
        os.kill(workers.pop(), signal.SIGKILL)
        code = process.wait()
    assert code == 0, said(tmp_path)
    assert "6 runs: 0 done before, 6 done now, 0 failed, 0 not started" in said(tmp_path)


@pytest.mark.slow
def test_no_run_of_joblib_outlives_its_command(tiny: tuple[str, ...], tmp_path: Path) -> None:
    words = [*tiny, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "caan=none", "fold=1,2", *LONG]
    with grid(tmp_path, *words, "trainer.max_epochs=4000") as process:
        until(lambda: checkpoints(tmp_path), process, tmp_path)
        process.kill()
        process.wait()
        time.sleep(10)  # the epochs of such a run take a part of a second, and its checkpoint is of the last
        before = [file.stat().st_mtime for file in checkpoints(tmp_path)]
        time.sleep(5)
    assert before == [file.stat().st_mtime for file in checkpoints(tmp_path)]


def test_a_run_has_what_a_cluster_gave_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what the worker had when it started the server that forks its runs."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with share_of_a_run().claimed() as share:
        assert share == {"CUDA_VISIBLE_DEVICES": "3", "OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(("launcher", "extra"), [("ray", "ray"), ("slurm", "slurm"), ("submitit_local", "slurm")])
def test_what_is_not_installed_is_told_in_one_line(launcher: str, extra: str, tmp_path: Path) -> None:
    if find_spec(f"hydra_plugins.hydra_{'ray' if extra == 'ray' else 'submitit'}_launcher"):
        pytest.skip(f"leanet[{extra}] is installed")
    with grid(tmp_path, f"hydra/launcher={launcher}", "caan=none") as process:
        assert process.wait() == 1
    line = f"leanet: hydra/launcher={extra} is not installed here; pip install 'leanet[{extra}]' does so\n"
    assert said(tmp_path) == line


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slurm of this machine alone, first in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    text = (Path(__file__).parent / "slurm.py").read_text()
    for name in ("sbatch", "job", "srun", "scontrol", "sacct"):
        (folder / name).write_text(f"#!{sys.executable}\n{text}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("launcher", ["slurm", "submitit_local"])
def test_slurm_goes_on_with_preempted_and_killed_jobs(launcher: str, tiny: tuple[str, ...], tmp_path: Path) -> None:
    """Jobs that are told that they are preempted; and killed, which they are not told."""
    pytest.importorskip("submitit", reason="needs leanet[slurm]")
    words = [*tiny, f"hydra/launcher={launcher}", "caan=none", "fold=1,2", *LONG]
    with grid(tmp_path, *words) as process:
        until(lambda: len(checkpoints(tmp_path)) == 2, process, tmp_path)
        preempted, killed = processes("python", "submitit.core._submit", str(tmp_path / "sweeps"))
        epochs = {file: epoch_of(file) for file in checkpoints(tmp_path)}
        os.kill(preempted, signal.SIGUSR2)
        os.kill(killed, signal.SIGKILL)
        while process.poll() is None:  # never back to the start
            assert all(epoch_of(file) >= epoch for file, epoch in epochs.items())
            time.sleep(0.1)
    assert process.returncode == 0, said(tmp_path)
    assert "2 runs: 0 done before, 2 done now, 0 failed, 0 not started" in said(tmp_path)
    logs = [file.read_text() for file in tmp_path.glob("sweeps/.submitit/*/*_log.*")]
    assert sum("Requeued job" in log for log in logs) == 1


@pytest.mark.slow
def test_ray_goes_on_without_a_machine(tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes on one machine, of which one is killed."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # of a private cluster
    pytest.importorskip("ray", reason="needs leanet[ray]")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        address = f"hydra.launcher.ray.init.address={cluster.address}"
        words = [*tiny, "hydra/launcher=ray", address, "caan=none,direct", "fold=1,2", *LONG]
        with grid(tmp_path, *words) as process:
            until(lambda: len(checkpoints(tmp_path)) == 2, process, tmp_path)
            cluster.remove_node(node, allow_graceful=False)
            code = process.wait()
    finally:
        cluster.shutdown()
    assert code == 0, said(tmp_path)
    assert "4 runs: 0 done before, 4 done now, 0 failed, 0 not started" in said(tmp_path)
