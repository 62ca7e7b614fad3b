"""NVIDIA's Multi-Process Service for the runs of a grid, so that those on one GPU compute at the same time.

Without it, a GPU computes only for one process at a time, in turns.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from leanet.errors import LeanetError
from leanet.grid.share import DEVICES, gpus, is_of_this_machine

_CONTROL = "nvidia-cuda-mps-control"
_QUIT_SECONDS = 30
# It starts the daemon and ends it when its input ends: by closing it, or with this process, however that ends.
_SUPERVISOR = f"""
trap '' INT TERM HUP
if {_CONTROL} -d </dev/null >"$CUDA_MPS_LOG_DIRECTORY/start" 2>&1; then
    echo started
    cat >/dev/null
    echo quit | timeout {_QUIT_SECONDS} {_CONTROL} >/dev/null 2>&1
else
    tail -n 1 "$CUDA_MPS_LOG_DIRECTORY/start"
fi
rm -rf "$CUDA_MPS_PIPE_DIRECTORY"
"""


@contextmanager
def shared_gpus(launcher: Mapping[str, Any]) -> Iterator[None]:
    """A context with an MPS daemon of this grid alone, of which the environment variables tell all runs.

    Args:
        launcher: the settings of Hydra's launcher.

    Raises:
        LeanetError: no GPU, no such program, a launcher of a cluster, or a daemon that does not start.
    """
    _check(launcher)
    folder = tempfile.mkdtemp(prefix="leanet-mps-", dir="/tmp")  # paths of sockets must be short
    ours = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
    supervisor = subprocess.Popen(
        ["/bin/sh", "-c", _SUPERVISOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | ours,
        start_new_session=True,  # Ctrl-C is for the grid
    )
    with supervisor:  # closes its input at the end, and waits for it
        assert supervisor.stdout is not None
        said = supervisor.stdout.readline().strip()
        if said != "started":
            raise LeanetError(f"hydra.sweeper.mps=true: {_CONTROL} does not start: {said or 'it says nothing'}")
        with _environment(ours | {DEVICES: _numbered(gpus())}):
            yield


def _check(launcher: Mapping[str, Any]) -> None:
    if not is_of_this_machine(launcher):
        wrong = "is for runs on this machine, with hydra/launcher=joblib; clusters have settings of their own"
    elif not gpus():
        wrong = "this machine has no NVIDIA GPU, or CUDA_VISIBLE_DEVICES excludes all; leave it out"
    elif not shutil.which(_CONTROL):
        wrong = f"{_CONTROL} is not installed here (it comes with NVIDIA's driver); leave it out"
    else:
        return
    raise LeanetError(f"hydra.sweeper.mps=true: {wrong}")


def _numbered(devices: list[str]) -> str:
    """The GPUs as clients name them: the daemon counts those that it was given from 0."""
    return ",".join(map(str, range(len(devices))))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """A context with these environment variables, which processes started in it inherit."""
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ |= {name: before[name] for name in variables if name in before}
