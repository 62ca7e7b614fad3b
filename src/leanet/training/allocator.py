"""glibc's allocator, told to keep what training frees: getting it back costs a CPU up to a third of a step."""

import ctypes
import sys

# malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """From now on, do not return memory to the system after each step; does nothing where there is no glibc.

    By default tensors of more than 128 KiB are mapped and unmapped each time, and the kernel zeroes their pages anew.
    A higher threshold would not do: glibc accepts 32 MiB at most, and at 256×256 many are larger.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_TOP_PAD, 256 << 20)
