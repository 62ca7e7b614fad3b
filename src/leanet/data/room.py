"""A limit on the memory of threads that decode images."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Room:
    """Limits the number of pixels that threads hold at the same time, as a semaphore does.

    Args:
        pixels: the limit.
    """

    def __init__(self, pixels: int) -> None:
        self._all = self._free = pixels
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """A context that holds `pixels`, and waits until they are free. More than the limit waits for all of it."""
        pixels = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()
