"""How long a grid will take of which nothing was ever run, from a few training steps of its networks."""

from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.grid.durations import Durations, network_of
from leanet.grid.plan import Job
from leanet.grid.share import gpus, is_of_this_machine, workers_of
from leanet.grid.worker import PROCESSES
from leanet.progress import LONG, in_words
from leanet.runs.work import Rates, is_long

_MOST = 8  # networks that are measured; the others are taken to be like their mean


def first_estimate(jobs: Sequence[Job], todo: Sequence[Job], launcher: Any) -> str | None:
    """A sentence on the time of a grid; None if it is short, or computed elsewhere.

    Args:
        jobs: all of the grid.
        todo: those that are not done.
        launcher: Hydra's, by its settings.
    """
    networks = {network_of(job.run.settings): job.run.settings for job in todo if is_long(job.run, job.images)}
    if not networks or not is_of_this_machine(launcher):
        return None
    measured = _measured(list(networks.values())[:_MOST])
    at_once = workers_of(launcher) if gpus() else 1  # a CPU is busy with one run already
    seconds = Durations.of(jobs, at_once, measured).altogether(jobs, todo)
    if seconds is None:
        return None
    shorter = "; effort=quick takes less" if seconds > LONG else ""
    return f"estimated from a few training steps: {in_words(seconds)}{shorter}"


def _measured(networks: Sequence[Settings]) -> list[tuple[Settings, Rates]]:
    """Measured in another process, whose memory and GPU are free again when it ends; nothing if it fails."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_measure, args=(networks, there), daemon=True)
    process.start()
    there.close()
    try:
        rates: list[Rates] = here.recv()
    except EOFError:  # the runs themselves will tell the reason
        rates = []
    process.join()
    return list(zip(networks, rates, strict=False))


def _measure(networks: Sequence[Settings], pipe: Connection) -> None:
    from leanet.experiment.estimate import rates_of  # imports torch

    with suppress(LeanetError):
        pipe.send([rates_of(settings) for settings in networks])
