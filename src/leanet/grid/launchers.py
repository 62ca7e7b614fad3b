"""Hydra's launchers as a grid needs them: what their settings leave open filled in, and lost jobs told one by one."""

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
    """`launch` of the launcher that `config` names, for jobs that are done by `task`."""
    with open_dict(config):
        _fill_in(config.hydra.launcher, jobs_per_gpu)
    launcher = Plugins.instance().instantiate_launcher(hydra_context, task, config)
    return _hearing_all(launcher.launch) if "submitit" in type(launcher).__module__ else launcher.launch


def _fill_in(launcher: DictConfig, jobs_per_gpu: int) -> None:
    """How many jobs at once, and how much of a GPU for each."""
    if launcher.get("n_jobs") == -1:  # joblib's default: all that the machine has
        launcher.n_jobs = jobs_at_once(jobs_per_gpu)
    remote = launcher.get("ray", {}).get("remote", {})
    if remote.get("num_gpus", 0) is None:
        remote.num_gpus = 1 / jobs_per_gpu if gpus() else 0


def _hearing_all(launch: Launch) -> Launch:
    """submitit's `launch`, with what became of every job.

    Alone it raises at the first job that is lost, while the others go on in the cluster, unheard. Doing what is left
    again would put them there twice.
    """
    from submitit.core.core import Job
    from submitit.core.utils import UncompletedJobError

    submitted: Any = Job  # whose method is replaced while the launcher waits
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
        return "its time was over more often than hydra.launcher.max_num_timeout allows"
    return "its job ended without an answer: killed, cancelled, or its machine lost"
