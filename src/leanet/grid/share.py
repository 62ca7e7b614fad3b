"""Divide threads and GPUs among parallel runs on one machine."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig

from leanet.storage.private_folder import private_folder

_POLL_SECONDS = 0.2
_THREADS, _DEVICES = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"


def gpus() -> list[str]:
    """The GPUs that this process may use, as named in CUDA_VISIBLE_DEVICES. Imports no torch."""
    visible = os.environ.get(_DEVICES)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def cores() -> int:
    """The number of cores that this process may use; except on Linux, the number of cores of the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jobs_at_once(jobs_per_gpu: int) -> int:
    """The number of parallel runs on this machine: `jobs_per_gpu` for each GPU; without a GPU, one for each core."""
    return len(gpus()) * jobs_per_gpu or cores()


@contextmanager
def claimed() -> Iterator[dict[str, str]]:
    """A context with the share of this machine that one run may use, as environment variables.

    If the launcher has `n_jobs` workers on this machine, the cores are divided among them, and each run takes a free
    place on a GPU. Launchers of clusters assign resources themselves; their environment variables are passed on.
    """
    launcher = HydraConfig.get().launcher if HydraConfig.initialized() else {}
    jobs = launcher.get("n_jobs")
    if not jobs:
        yield {name: os.environ[name] for name in (_THREADS, _DEVICES) if name in os.environ}
        return
    jobs = jobs if jobs > 0 else cores()
    share = {_THREADS: str(max(1, cores() // jobs))}
    devices = gpus()
    if not devices:
        yield share
        return
    with _free_place(jobs) as place:
        yield {**share, _DEVICES: devices[place % len(devices)]}


@contextmanager
def _free_place(places: int) -> Iterator[int]:
    """A context with a number below `places` that no other run on this machine holds."""
    folder = private_folder("places")
    locks = [FileLock(folder / f"{place}.lock") for place in range(places)]
    while True:
        for place, lock in enumerate(locks):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield place
            finally:
                lock.release()
            return
        time.sleep(_POLL_SECONDS)
