"""Run a job of a grid in a separate process, so that the launcher's worker survives if it dies."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from leanet.config.command_line import USER_ERRORS, in_one_line
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.grid.plan import LOG, note_failure
from leanet.grid.share import claimed
from leanet.runs.cell import Cells, load

if sys.platform == "darwin":  # its system libraries do not support fork
    _PROCESSES = multiprocessing.get_context("spawn")
else:  # a server imports everything once, and forks a process for each run in milliseconds
    _PROCESSES = multiprocessing.get_context("forkserver")
    _PROCESSES.set_forkserver_preload(["leanet.experiment.fold", "sklearn.linear_model"])  # the latter for baselines
_GRACE_SECONDS = 60


class FailedError(LeanetError):
    """The run failed, and recorded the reason in its folder."""


class DiedError(LeanetError):
    """The run's process died: it was killed, ran out of memory, or crashed."""


def do(config: DictConfig) -> None:
    """Do one run; launchers call this function.

    Args:
        config: of leanet.train, with one fold.

    Raises:
        FailedError: the run failed; the reason is recorded in the run's folder, and the traceback is in its log.
        DiedError: the process of the run died.
    """
    container: Any = OmegaConf.to_container(config, resolve=True)
    multiprocessing.set_start_method(None, force=True)  # joblib's workers set one that the child does not know
    with claimed() as share:
        here, there = _PROCESSES.Pipe()
        process = _PROCESSES.Process(target=_child, args=(container, share, there))
        process.start()
        there.close()
        try:
            reason = here.recv()
            process.join(_GRACE_SECONDS)  # loggers may still be sending
        except EOFError:
            process.join()
            raise DiedError(_how_it_ended(process.exitcode)) from None
        finally:
            process.kill() if _is_submitted() else process.terminate()
            process.join()
    if reason is not None:
        raise FailedError(reason)


def _is_submitted() -> bool:
    """Whether this process is a job of submitit."""
    return "SUBMITIT_EXECUTOR" in os.environ


def _how_it_ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _child(config: dict[str, Any], share: dict[str, str], pipe: Connection) -> None:
    """Do the run, and send None or the reason of its failure through the pipe."""
    os.environ |= share
    if _is_submitted():
        # At the time limit, Slurm signals all processes of a job. The worker handles it: it ends this process, and
        # queues the job again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
    tqdm.set_lock(threading.RLock())  # tqdm's default is a semaphore, which a killed process would leave behind
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    try:
        _run(config)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:
        pipe.send(_reason(error))
    else:
        pipe.send(None)


def _reason(error: Exception) -> str:
    """The reason of a failure in one line, always the same for the same mistake, so that repetitions are recognised."""
    if isinstance(error, USER_ERRORS):
        return in_one_line(error)
    name = type(error).__name__
    if "OutOfMemory" in name:  # its message has the number of free bytes, which varies
        return "out of GPU memory; use a smaller trainer.batch_size or fewer jobs on a GPU"
    return f"{name}: {next(iter(str(error).splitlines()), '')}".removesuffix(": ")


def _end_with_parent(pipe: Connection) -> None:
    """End this process when its worker has ended."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    os._exit(1)


def _run(config: dict[str, Any]) -> None:
    settings = settings_of(config)
    cell = Cells().of(settings)
    [run] = cell.runs
    _print_to(run.folder / LOG)
    try:
        import torch

        from leanet.experiment.fold import run_fold

        if threads := os.environ.get("OMP_NUM_THREADS"):  # torch read it before this process had its share
            torch.set_num_threads(int(threads))
        images, fold_of = load(cell)
        run_fold(run, images, fold_of)
    except Exception as error:
        traceback.print_exc()
        note_failure(run, _reason(error))
        raise


def _print_to(file: Path) -> None:
    """Append all output of this process to a file, with that of C libraries and tracebacks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
