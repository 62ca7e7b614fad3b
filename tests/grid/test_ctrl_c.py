import os
import signal

import pytest

from leanet.grid.ctrl_c import raise_if_pressed, remembered


def lost() -> None:
    """What a library may make of Ctrl-C."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 0.01)
    except KeyboardInterrupt:
        pass


def test_a_ctrl_c_that_was_lost_is_raised_again() -> None:
    with remembered():
        raise_if_pressed()
        lost()
        with pytest.raises(KeyboardInterrupt):
            raise_if_pressed()
    with remembered():
        raise_if_pressed()  # of another grid


def test_it_interrupts_at_once_as_usual() -> None:
    with remembered(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 0.01)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_job_that_ignores_it_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with remembered():
            os.kill(os.getpid(), signal.SIGINT)
            raise_if_pressed()
    finally:
        signal.signal(signal.SIGINT, before)
