"""Permissions of files that count for root, too."""

import ctypes
import os
from collections.abc import Callable

_CAPABILITIES_VERSION_3 = 0x20080522
_ACCESS_ANYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, capabilities(7)


def give_up_root() -> Callable[[], None] | None:
    """Makes permissions of files count for root, in this thread and those that it starts; returns what undoes it.

    None if it cannot be done here.
    """
    if os.geteuid() != 0:
        return lambda: None
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3), (ctypes.c_uint32 * 6)()
    if not hasattr(libc, "capset") or libc.capget(header, sets):
        return None
    effective = sets[0]

    def change(capabilities: int) -> None:
        sets[0] = capabilities
        assert libc.capset(header, sets) == 0

    change(effective & ~_ACCESS_ANYTHING)
    return lambda: change(effective)
