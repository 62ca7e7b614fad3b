"""A job of a grid, in a process of its own: whatever becomes of that, the worker that waits for it lives on."""

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

from leanet.config.command_line import TOLD, in_one_line
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.grid.plan import LOG, note_failure
from leanet.grid.share import claimed
from leanet.runs.cell import Cells, load

if sys.platform == "darwin":  # whose own libraries do not survive a fork
    _PROCESSES = multiprocessing.get_context("spawn")
else:  # a server has imported everything once, and forks each run in milliseconds
    _PROCESSES = multiprocessing.get_context("forkserver")
    _PROCESSES.set_forkserver_preload(["leanet.experiment.fold", "sklearn.linear_model"])  # which baselines need
_GRACE_SECONDS = 60


class FailedError(LeanetError):
    """The run failed, and said why in its folder."""


class DiedError(LeanetError):
    """The run's process ended without a word: killed, out of memory, or crashed."""


def do(config: DictConfig) -> None:
    """Do the run that `config` (of leanet.train, with one fold) stands for; what launchers are given to call.

    Raises:
        FailedError: what went wrong, in one line, noted in the run's folder; the whole story is in its log.
        DiedError: the process of the run ended without a word.
    """
    container: Any = OmegaConf.to_container(config, resolve=True)
    multiprocessing.set_start_method(None, force=True)  # joblib's workers have one of their own, unknown to the child
    with claimed() as share:
        here, there = _PROCESSES.Pipe()
        process = _PROCESSES.Process(target=_child, args=(container, share, there))
        process.start()
        there.close()
        try:
            reason = here.recv()
            process.join(_GRACE_SECONDS)  # loggers may still have something to send
        except EOFError:
            process.join()
            raise DiedError(_how_it_ended(process.exitcode)) from None
        finally:
            process.kill() if _is_submitted() else process.terminate()
            process.join()
    if reason is not None:
        raise FailedError(reason)


def _is_submitted() -> bool:
    """Whether this is a job of submitit's."""
    return "SUBMITIT_EXECUTOR" in os.environ


def _how_it_ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _child(config: dict[str, Any], share: dict[str, str], pipe: Connection) -> None:
    """Do the run and send None, or in one line what went wrong."""
    os.environ |= share
    if _is_submitted():
        # Slurm tells every process of a job that its time is over. The worker answers: it ends this one, queues again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a process that is killed would leave behind
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
    """In one line, and the same for the same mistake, so that it can be told from another."""
    if isinstance(error, TOLD):
        return in_one_line(error)
    name = type(error).__name__
    if "OutOfMemory" in name:  # whose text has the bytes that happened to be free
        return "out of GPU memory; use a smaller trainer.batch_size or fewer jobs on a GPU"
    return f"{name}: {next(iter(str(error).splitlines()), '')}".removesuffix(": ")


def _end_with_parent(pipe: Connection) -> None:
    """A run whose worker is gone would go on unseen: end with it."""
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
    """Whatever this process prints goes to the end of `file`, C libraries' words and tracebacks too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
