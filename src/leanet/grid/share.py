"""Divide threads and GPUs among parallel runs on one machine."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig

from leanet.errors import LeanetError
from leanet.runs.at_once import AT_ONCE
from leanet.storage.private_folder import private_folder

_POLL_SECONDS, _TOLD_AFTER_SECONDS, _PATIENCE_SECONDS = 0.2, 5, 30
AUTO = "auto"
# Estimate of a run's memory on a GPU: CUDA itself, and a batch of 16 images of 256×256 pixels in training.
_GB_OF_A_RUN, _GB_OF_A_BATCH, _PIXELS_OF_A_BATCH = 1, 5, 16 * 256**2
_MOST_JOBS = 16  # more runs on one GPU only wait for each other
_THREADS, DEVICES = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"


def gpus() -> list[str]:
    """The GPUs that this process may use, as named in CUDA_VISIBLE_DEVICES. Imports no torch."""
    visible = os.environ.get(DEVICES)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [
        str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))
    ]  # CUDA counts what it sees from 0


def cores() -> int:
    """The number of cores that this process may use; except on Linux, the number of cores of the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jobs_at_once(jobs_per_gpu: int) -> int:
    """The number of parallel runs on this machine: `jobs_per_gpu` for each GPU; without a GPU, one for each core."""
    return len(gpus()) * jobs_per_gpu or cores()


def checked_jobs_per_gpu(given: object) -> int | None:
    """`hydra.sweeper.jobs_per_gpu`, with None for `auto`; LeanetError if it is neither this nor a whole number."""
    if given == AUTO:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise LeanetError(f"hydra.sweeper.jobs_per_gpu={given}: must be {AUTO} or a whole number from 1")
    return given


def jobs_that_fit(pixels: int) -> int:
    """The number of runs for which a GPU has memory, and the machine cores; 1 if nvidia-smi does not answer.

    It is an estimate: networks differ, and so does what else is in the memory.

    Args:
        pixels: of the largest batch of a run, batch_size × image_size².
    """
    devices = gpus()
    if not devices:
        return 1
    need = _GB_OF_A_RUN + _GB_OF_A_BATCH * pixels / _PIXELS_OF_A_BATCH
    return max(1, min(int(_gpu_memory(devices) / need), cores() // len(devices), _MOST_JOBS))


def _gpu_memory(devices: list[str]) -> float:
    """GB of the smallest of these GPUs; 0 if unknown."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", f"--id={','.join(devices)}"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS).stdout
        return min(float(line) for line in answer.splitlines()) / 1024
    except (OSError, subprocess.SubprocessError, ValueError):  # not installed, or a GPU without memory of its own
        return 0.0


def is_of_this_machine(launcher: Mapping[str, Any]) -> bool:
    """Whether a launcher, by its settings, starts runs on this machine alone: Hydra's own and joblib's do."""
    return any(name in launcher.get("_target_", "") for name in ("basic_launcher", "joblib_launcher"))


def workers_of(launcher: Mapping[str, Any]) -> int:
    """The number of workers that a launcher, by its settings, starts on this machine; 1 for launchers of clusters."""
    jobs: int = launcher.get("n_jobs") or 1
    return jobs if jobs > 0 else cores()


@dataclass(frozen=True)
class Share:
    """The part of this machine that one run may use.

    Args:
        environment: the variables of its process.
        devices: the GPUs of which it takes one; none if its launcher assigns them.
        places: the number of runs that share these GPUs.
    """

    environment: dict[str, str]
    devices: tuple[str, ...] = ()
    places: int = 1

    @contextmanager
    def claimed(self) -> Iterator[dict[str, str]]:
        """A context with the variables of one run, which then has a place on a GPU that no other run has."""
        if not self.devices:
            yield self.environment
            return
        with _free_place(self.places) as place:
            yield {**self.environment, DEVICES: self.devices[place % len(self.devices)]}


def share_of_a_run() -> Share:
    """The part of this machine that a run of this worker may use.

    If the launcher has `n_jobs` workers on this machine, the cores are divided among them, and each run takes a free
    place on a GPU. Launchers of clusters assign resources themselves; their environment variables are passed on.
    """
    launcher = HydraConfig.get().launcher if HydraConfig.initialized() else {}
    if not launcher.get("n_jobs"):
        return Share({name: os.environ[name] for name in (_THREADS, DEVICES) if name in os.environ})
    jobs = workers_of(launcher)
    environment = {_THREADS: str(max(1, cores() // jobs)), AT_ONCE: str(jobs)}
    return Share(environment, tuple(gpus()), jobs)


@contextmanager
def _free_place(places: int) -> Iterator[int]:
    """A context with a number below `places` that no other run on this machine holds."""
    folder = private_folder("places")
    locks = [FileLock(folder / f"{place}.lock") for place in range(places)]
    told = time.monotonic() + _TOLD_AFTER_SECONDS
    while True:
        if time.monotonic() > told:
            print("waiting for a place on a GPU: other runs on this machine have all", flush=True)
            told = math.inf
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
