"""Make glibc keep freed memory: to allocate it again takes up to a third of a training step on a CPU."""

import ctypes
import sys

# malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Keep freed memory in this process instead of returning it to the system. Without glibc it does nothing.

    By default, glibc maps and unmaps every tensor of more than 128 KiB, and the kernel zeroes its pages each time. A
    higher threshold is not enough: glibc accepts at most 32 MiB, and at 256×256 pixels many tensors are larger.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 256 << 20)
