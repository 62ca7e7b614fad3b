"""NVIDIA's MPS for a grid, with its program played: it is started once, the runs know of it, and it is ended."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leanet.errors import LeanetError
from leanet.grid.mps import shared_gpus

JOBLIB = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"}
# The daemon notes how it is started, and what it is told later.
DAEMON = """#!/bin/sh
if [ "$1" = -d ]; then
    echo "start for $CUDA_VISIBLE_DEVICES in $CUDA_MPS_PIPE_DIRECTORY" >>{log}
    echo "{says}" >&2
    exit {code}
fi
cat >>{log}
"""
Daemon = Callable[..., Path]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """daemon(code=1, says="no") → what the program of MPS notes; it is first in PATH, beside two GPUs of four."""
    folder, log = tmp_path / "bin", tmp_path / "mps.txt"
    folder.mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")

    def installed(code: int = 0, says: str = "") -> Path:
        program = folder / "nvidia-cuda-mps-control"
        program.write_text(DAEMON.format(log=log, code=code, says=says))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        return log

    return installed


def noted(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def folder_of(line: str) -> Path:
    return Path(line.rpartition(" ")[2])


def test_the_daemon_is_there_for_the_grid_alone(daemon: Daemon) -> None:
    log, before = daemon(), dict(os.environ)
    with pytest.raises(KeyboardInterrupt), shared_gpus(JOBLIB):
        [started] = noted(log)
        assert started.startswith("start for 1,3 in /tmp/")
        folder = folder_of(started)
        assert os.environ["CUDA_MPS_PIPE_DIRECTORY"] == os.environ["CUDA_MPS_LOG_DIRECTORY"] == str(folder)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"  # as the daemon numbers them
        assert folder.is_dir() and len(f"{folder}/control_privileged") < 100
        raise KeyboardInterrupt
    until(lambda: noted(log) == [started, "quit"] and not folder.exists())
    assert dict(os.environ) == before


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_it_ends_with_a_grid_that_is_killed(daemon: Daemon, tiny: tuple[str, ...], tmp_path: Path) -> None:
    log = daemon()
    words = [*tiny, "hydra.sweeper.mps=true", "adn=cnn", "caan=none", "fold=1,2"]
    command = [sys.executable, "-m", "leanet.train", "-m", f"paths.runs={tmp_path}", *words]
    process = subprocess.Popen([*command, "trainer.max_epochs=10000"], stdout=subprocess.DEVNULL, env=os.environ)
    until(lambda: bool(list(tmp_path.glob("detectors/*/last.ckpt"))))
    [started] = noted(log)
    runs = with_variable(f"CUDA_MPS_PIPE_DIRECTORY={folder_of(started)}")
    assert runs and process.pid not in runs
    process.kill()
    process.wait()
    until(lambda: noted(log) == [started, "quit"] and not folder_of(started).exists())
    until(lambda: not with_variable(f"CUDA_MPS_PIPE_DIRECTORY={folder_of(started)}"))


def with_variable(variable: str) -> list[int]:
    """Processes that were started with it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found += [int(entry.name)] if f"{variable}\0" in (entry / "environ").read_text() else []
        except OSError:  # another user's, or it has just ended
            continue
    return found


@pytest.mark.parametrize(
    ("launcher", "gpus", "installed", "message"),
    [
        (
            {"_target_": "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"},
            "0",
            True,
            "clusters have settings",
        ),
        (JOBLIB, "", True, "no NVIDIA GPU"),
        (JOBLIB, "0", False, "nvidia-cuda-mps-control is not installed here"),
        (JOBLIB, "0", True, "does not start: An instance of this daemon is already running$"),
    ],
)
def test_why_it_cannot_be_used_is_told(
    launcher: dict[str, str], gpus: str, installed: bool, message: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = daemon(code=1, says="An instance of this daemon is already running") if installed else None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    with pytest.raises(LeanetError, match=rf"^hydra.sweeper.mps=true: .*{message}"), shared_gpus(launcher):
        pass
    for line in noted(log) if log else []:
        until(lambda line=line: not folder_of(line).exists())
