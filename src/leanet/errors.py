"""The exceptions whose messages are shown to users."""

from collections.abc import Iterator
from contextlib import contextmanager

OUT_OF_MEMORY = (
    "out of GPU memory: use smaller batches (trainer.batch_size, colorizer.batch_size), "
    "or fewer runs on a GPU at once (hydra.sweeper.jobs_per_gpu)"
)


class LeanetError(Exception):
    """A mistake that the user can correct. The message is one line: what is wrong, and what to do."""


class MissingDatasetError(LeanetError):
    """The folder of a dataset does not exist. A grid can still be planned."""


@contextmanager
def readable_memory_errors() -> Iterator[None]:
    """Raise a GPU's lack of memory as a LeanetError, always in the same words; torch's differ each time."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        raise LeanetError(OUT_OF_MEMORY) from error
