"""Keeps the memory of freed batches in the process, so that the next batch need not get it from the kernel again.

glibc gives the heap of a thread back as soon as nothing in it is used any more. A batch of 128 images has 19 MB, its
copies for several devices as much again, and the kernel has to clear each page of them before it is written once more:
181,000 page faults in 14 batches for four devices, and a quarter of the speed of the pipeline.
"""

import ctypes
import functools
import os

# <malloc.h>: the room that a heap keeps at its end. A heap that is no larger than it is never given back, and 64 MiB
# is the size of the heaps of threads.
_M_TOP_PAD = -2
_KEPT_BYTES = 64 << 20
# The size from which a block is got from the kernel by itself. glibc raises it by and by, from 128 KiB to this number,
# but no longer once the first setting is made: a batch could then have 4,865 page faults each time.
_M_MMAP_THRESHOLD, _MOST_IN_HEAP = -3, 32 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Makes glibc keep the memory that its threads free, for all of this process. Returns whether it does.

    Nothing is changed with another C library, or if an environment variable (`MALLOC_TOP_PAD_`) has set it. Blocks of
    up to 32 MiB are then taken from the heaps, unless `MALLOC_MMAP_THRESHOLD_` says otherwise.

    >>> keep_freed_memory() in (True, False)
    True
    """
    if "MALLOC_TOP_PAD_" in os.environ or "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return mallopt(_M_TOP_PAD, _KEPT_BYTES) == 1 and (
            "MALLOC_MMAP_THRESHOLD_" in os.environ or mallopt(_M_MMAP_THRESHOLD, _MOST_IN_HEAP) == 1
        )
    except (OSError, AttributeError):
        return False
