"""What happens inside the process of runs: it does those that it receives, each as a new process would."""

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tqdm import tqdm

from leanet.config.effective import settings_of
from leanet.config.messages import USER_ERRORS, in_one_line
from leanet.data.images import Dataset, ImageSet
from leanet.errors import readable_memory_errors
from leanet.grid.plan import LOG, note_failure
from leanet.runs.cell import Cells, load

_STREAMS = (1, 2)  # standard output and standard error


def is_submitted() -> bool:
    """Whether this process is a job of submitit, or a child of one."""
    return "SUBMITIT_EXECUTOR" in os.environ


def serve(share: dict[str, str], pipe: Connection) -> None:
    """Do the runs whose configurations come through the pipe, until None comes or a run fails.

    Args:
        share: of this machine, as environment variables.
        pipe: also receives None for each run that is done, or the reason of its failure.
    """
    os.environ |= share
    if is_submitted():
        # At the time limit, Slurm signals all processes of a job. The worker handles it: it ends this process, and
        # queues the job again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
    tqdm.set_lock(threading.RLock())  # tqdm's default is a semaphore, which a killed process would leave behind
    configs: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, configs), daemon=True).start()
    gc.freeze()  # what is imported stays: to search it for garbage would take a third of a second after each run
    runs, reason = _Runs(), None
    try:
        while reason is None and (config := configs.get()) is not None:
            reason = runs.do(config)
            pipe.send(reason)
            _free_memory()
    except KeyboardInterrupt:
        os._exit(130)


def _receive(pipe: Connection, configs: "SimpleQueue[dict[str, Any] | None]") -> None:
    """Pass configurations on, and end this process when its worker has ended."""
    with suppress(EOFError, OSError):
        while True:
            configs.put(pipe.recv())
    os._exit(1)


class _Runs:
    """Does runs, one after the other. The images of the last one are kept, since the next run mostly has the same."""

    def __init__(self) -> None:
        self._streams = [os.dup(stream) for stream in _STREAMS]
        self._cells = Cells()
        self._last: tuple[Dataset, ImageSet] | None = None

    def do(self, config: dict[str, Any]) -> str | None:
        """Do a run; None, or the reason of its failure."""
        for stream, original in zip(_STREAMS, self._streams, strict=True):  # until the run's folder is known
            os.dup2(original, stream)
        try:
            with _unchanged():
                self._do(config)
        except Exception as error:
            return _reason(error)
        return None

    def _do(self, config: dict[str, Any]) -> None:
        cell = self._cells.of(settings_of(config))
        [run] = cell.runs
        _print_to(run.folder / LOG)
        try:
            from leanet.experiment.fold import run_fold

            images, fold_of = load(cell, self._last[1] if self._last and self._last[0] is cell.dataset else None)
            self._last = cell.dataset, images
            with readable_memory_errors():
                run_fold(run, images, fold_of)
        except Exception as error:
            traceback.print_exc()
            note_failure(run, _reason(error))
            raise


@contextmanager
def _unchanged() -> Iterator[None]:
    """A context after which the settings of the process are as before, so that no run changes the next one's result."""
    import torch

    cudnn = torch.backends.cudnn
    if threads := os.environ.get("OMP_NUM_THREADS"):  # torch read it before this process had its share
        torch.set_num_threads(int(threads))
    environment, seed, threads_before = dict(os.environ), torch.initial_seed(), torch.get_num_threads()
    precision, dtype = torch.get_float32_matmul_precision(), torch.get_default_dtype()
    mode, grad = torch.get_deterministic_debug_mode(), torch.is_grad_enabled()
    flags = {name: getattr(cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")}
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ |= environment
        torch.manual_seed(seed)
        torch.set_num_threads(threads_before)
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(dtype)
        if torch.get_deterministic_debug_mode() != mode:
            torch.use_deterministic_algorithms(mode > 0, warn_only=mode == 1)
        torch.set_grad_enabled(grad)
        for name, value in flags.items():
            setattr(cudnn, name, value)


def _free_memory() -> None:
    """Free what the last run left, also on the GPU."""
    torch = sys.modules["torch"]
    if "torch._dynamo" in sys.modules:  # a second image size would be compiled otherwise than a first one
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _reason(error: Exception) -> str:
    """The reason of a failure in one line, always the same for the same mistake, so that repetitions are recognised."""
    if isinstance(error, USER_ERRORS):
        return in_one_line(error)
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".removesuffix(": ")


def _print_to(file: Path) -> None:
    """Append all output of this process to a file, with that of C libraries and tracebacks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in _STREAMS:
        os.dup2(log, stream)
    os.close(log)
