"""Ctrl-C in a grid: OmegaConf, which puts each run's configuration together, may lose the exception."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_pressed = False


@contextmanager
def remembered() -> Iterator[None]:
    """A context in which Ctrl-C is also noted, for `raise_if_pressed`."""
    global _pressed
    _pressed = False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # a job in a shell's background ignores it
        yield
        return
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _note(number: int, frame: FrameType | None) -> None:
    global _pressed
    _pressed = True
    signal.default_int_handler(number, frame)


def raise_if_pressed() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed before."""
    if _pressed:
        raise KeyboardInterrupt
