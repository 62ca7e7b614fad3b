"""Hydra's launchers with settings that fit this machine, and with an outcome for each lost job."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from leanet.grid.share import gpus, jobs_at_once
from leanet.grid.worker import DiedError

Launch = Callable[..., Sequence[Any]]


def launch_of(hydra_context: HydraContext, config: DictConfig, task: TaskFunction, jobs_per_gpu: int) -> Launch:
    """The `launch` method of the configured launcher.

    Args:
        hydra_context: of the sweep.
        config: of the sweep; open settings of the launcher are filled in.
        task: runs one job.
        jobs_per_gpu: the number of runs that share a GPU.
    """
    with open_dict(config):
        _fill_in(config.hydra.launcher, jobs_per_gpu)
    launcher = Plugins.instance().instantiate_launcher(hydra_context, task, config)
    return _hearing_all(launcher.launch) if "submitit" in type(launcher).__module__ else launcher.launch


def _fill_in(launcher: DictConfig, jobs_per_gpu: int) -> None:
    """Set the number of parallel jobs, and the share of a GPU for each."""
    if launcher.get("n_jobs") == -1:  # joblib's default: all cores
        launcher.n_jobs = jobs_at_once(jobs_per_gpu)
    remote = launcher.get("ray", {}).get("remote", {})
    if remote.get("num_gpus", 0) is None:
        remote.num_gpus = 1 / jobs_per_gpu if gpus() else 0


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
