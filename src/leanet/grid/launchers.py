"""Hydra's launchers with settings that fit this machine, and with an outcome for each lost job."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from leanet.grid.share import gpus, jobs_at_once
from leanet.grid.worker import DiedError, end_kept

Launch = Callable[..., Sequence[Any]]


def launch_of(hydra_context: HydraContext, config: DictConfig, task: TaskFunction) -> Launch:
    """The `launch` method of the configured launcher.

    Args:
        hydra_context: of the sweep.
        config: of the sweep, after `fill_in`.
        task: runs one job.
    """
    launcher = Plugins.instance().instantiate_launcher(hydra_context, task, config)
    return _hearing_all(launcher.launch) if "submitit" in type(launcher).__module__ else launcher.launch


def fill_in(config: DictConfig, jobs_per_gpu: Callable[[], int]) -> None:
    """Set what the launcher's settings leave open: the number of parallel runs, and the share of a GPU for each."""
    launcher = config.hydra.launcher
    with open_dict(config):
        if launcher.get("n_jobs") == -1:  # joblib's default: all cores
            launcher.n_jobs = jobs_at_once(jobs_per_gpu())
        remote = launcher.get("ray", {}).get("remote", {})
        if remote.get("num_gpus", 0) is None:
            remote.num_gpus = 1 / jobs_per_gpu() if gpus() else 0


@contextmanager
def ending_workers(config: DictConfig) -> Iterator[None]:
    """A context after which the launcher's workers on this machine have ended, and left the GPUs."""
    try:
        yield
    finally:
        end_kept()
        if "joblib_launcher" in config.hydra.launcher._target_:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor(reuse=True).shutdown(wait=True)


def _hearing_all(launch: Launch) -> Launch:
    """submitit's `launch`, changed to return an outcome for every job.

    By itself it raises at the first lost job while the others still run in the cluster. If the remaining jobs were then
    launched again, they would run twice.
    """
    from submitit.core.core import Job
    from submitit.core.utils import UncompletedJobError

    submitted: Any = Job  # its method `results` is replaced while the launcher waits
    results = submitted.results

    def results_or_loss(job: Any) -> list[Any]:
        try:
            found: list[Any] = results(job)
            return found
        except UncompletedJobError as error:
            return [JobReturn(status=JobStatus.FAILED, _return_value=DiedError(_loss(error)))]

    @wraps(launch)
    def launch_and_hear(*args: Any, **kwargs: Any) -> Sequence[Any]:
        submitted.results = results_or_loss
        try:
            return launch(*args, **kwargs)
        finally:
            submitted.results = results

    return launch_and_hear


def _loss(error: Exception) -> str:
    text = str(error)
    if "timed-out too many times" in text:
        return "it reached its time limit more often than hydra.launcher.max_num_timeout allows"
    return "its job ended without an answer: killed, cancelled, or its machine lost"
