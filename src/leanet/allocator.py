"""glibc's allocator, told to keep what training frees: getting it back costs a CPU up to a third of a step."""

import ctypes
import sys

# malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # what glibc accepts on 64 bits


def keep_freed_memory() -> None:
    """From now on, do not return memory to the system after each step; does nothing where there is no glibc.

    By default tensors of more than 128 KiB are mapped and unmapped each time, and the kernel zeroes their pages anew.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 256 << 20)
