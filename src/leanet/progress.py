"""How far a long step is: a bar on a terminal; elsewhere (a pipe, a file, a notebook) a line now and then."""

import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

LINE_SECONDS = 30.0  # between lines, and before the first one
LONG = 600.0  # seconds of work from which ways to make it shorter are said
_LINE = "{desc}: {unit} {n_fmt} of {total_fmt}, {remaining} left{postfix}"


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    label: str,
    total: float | None,
    unit: str,
    **options: Any,
) -> "tqdm[Any]":
    """A progress bar of tqdm's, which writes a line every `LINE_SECONDS` where there is no terminal.

    Args:
        iterable: whose items are counted; None: `update` counts.
        label: of the step.
        total: of items.
        unit: of items.
        options: further ones of tqdm's.
    """
    if sys.stderr.isatty():
        return tqdm(iterable, desc=label, total=total, unit=unit, **options)
    rare = {"mininterval": LINE_SECONDS, "delay": LINE_SECONDS, "miniters": 0, "smoothing": 0}
    lines = {"file": _Lines(), "bar_format": _LINE, "leave": False}
    return tqdm(iterable, desc=label, total=total, unit=unit, **{**options, **rare, **lines})


def is_due(bar: "tqdm[Any]") -> bool:
    """Whether the next update is shown, so that what is costly to say is asked for only then."""
    now = time.time()
    return not bar.disable and now - bar.last_print_t >= bar.mininterval and now >= bar.start_t + (bar.delay or 0)


def in_words(seconds: float) -> str:
    """A length of time to the minute, such as `2 h 5 min`."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "under a minute"


class _Lines:
    """Standard error with a line for each state of a bar, in place of a bar that overwrites itself."""

    def write(self, text: str) -> int:
        if stated := text.strip():
            print(stated, file=sys.stderr, flush=True)
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()
