"""Do a job of a grid in a process of its own, so that the launcher's worker survives if it dies.

On this machine the process is kept for the worker's next run, so that imports, the start of CUDA and cuDNN's search
are paid once for each worker and not for each run.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import cache
from multiprocessing.util import Finalize
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from leanet.errors import LeanetError
from leanet.grid.child import is_submitted, serve
from leanet.grid.ctrl_c import raise_if_pressed
from leanet.grid.share import Share, is_of_this_machine, share_of_a_run

if sys.platform == "darwin":  # its system libraries do not support fork
    PROCESSES = multiprocessing.get_context("spawn")
else:  # a server imports everything once, and forks each process in milliseconds
    PROCESSES = multiprocessing.get_context("forkserver")
    PROCESSES.set_forkserver_preload(["leanet.experiment.fold", "sklearn.linear_model"])  # the latter for baselines
_GRACE_SECONDS, _POLL_SECONDS = 60, 1


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
    global _kept
    raise_if_pressed()
    _end_with_grid()
    container: Any = OmegaConf.to_container(config, resolve=True)
    multiprocessing.set_start_method(None, force=True)  # joblib's workers set one that the child does not know
    process, _kept = _process_for(share_of_a_run()), None
    try:
        process.do(container)
    except FailedError:  # a new process for the next run: the traceback may hold GPU memory
        process.end()
        raise
    except BaseException:
        process.stop()
        raise
    if HydraConfig.initialized() and is_of_this_machine(HydraConfig.get().launcher):
        _kept = process
    else:  # workers of clusters may do something else next
        process.end()


class RunProcess:
    """A process that does one run after the other, with its share of this machine.

    Attributes:
        share: held as long as the process lives.
    """

    def __init__(self, share: Share) -> None:
        self.share = share
        self._claim = ExitStack()
        environment = self._claim.enter_context(share.claimed())
        self._pipe, there = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=serve, args=(environment, there))
        self._process.start()
        there.close()
        # When the worker ends, before multiprocessing waits for its children.
        self._finalizer = Finalize(None, self.end, exitpriority=1)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def do(self, config: dict[str, Any]) -> None:
        """Do one run; FailedError or DiedError if it is not done."""
        try:
            self._pipe.send(config)
            reason = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise DiedError(_how_it_ended(self._process.exitcode)) from None
        if reason is not None:
            raise FailedError(reason)

    def end(self) -> None:
        """Let the process end by itself: loggers may still be sending."""
        try:
            with suppress(OSError):
                self._pipe.send(None)
            self._process.join(_GRACE_SECONDS)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the process now."""
        self._process.kill() if is_submitted() else self._process.terminate()
        self._process.join()
        self._pipe.close()
        self._claim.close()
        self._finalizer.cancel()


_kept: RunProcess | None = None  # waits for the next run of this worker


@cache
def _end_with_grid() -> None:
    """In a worker of joblib's, watch the grid's process, and end if it is gone: joblib's workers may wait for ever."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)  # the pipe to the run's process is closed with this one, and ends it


def _process_for(share: Share) -> RunProcess:
    """The kept process if it lives and has this share, else a new one."""
    if _kept is not None and _kept.is_alive and _kept.share == share:
        return _kept
    end_kept()
    return RunProcess(share)


def end_kept() -> None:
    """End the process that waits for the next run of this worker, if there is one."""
    global _kept
    process, _kept = _kept, None
    if process is not None:
        process.end()


def _how_it_ended(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code is not None and code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
