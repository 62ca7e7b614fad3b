"""Threads and GPUs for several runs at once on one machine."""

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
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES gives them; found without torch."""
    visible = os.environ.get(_DEVICES)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def cores() -> int:
    """How many cores this process may use; where only Linux says so, how many there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jobs_at_once(jobs_per_gpu: int) -> int:
    """How many runs this machine does at once: as many as share its GPUs; without one, a run for each core."""
    return len(gpus()) * jobs_per_gpu or cores()


@contextmanager
def claimed() -> Iterator[dict[str, str]]:
    """The part of this machine that one run may use, as environment variables, for as long as the run takes.

    Where the launcher has `n_jobs` workers on this machine, the cores are divided by them, and each run takes a free
    place on a GPU. Launchers of clusters share out their machines themselves, anew for each run of a worker.
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
    """A number below `places` that no other run on this machine has; locks end with their holder."""
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
