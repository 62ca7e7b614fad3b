"""Room in the memory, shared by threads that decode images."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Room:
    """Room for so many pixels: threads wait until what they take is free."""

    def __init__(self, pixels: int) -> None:
        self._all = self._free = pixels
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Hold room for `pixels` until the block ends; what is larger than the room takes all of it, alone."""
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
