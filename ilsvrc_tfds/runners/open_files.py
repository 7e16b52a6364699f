"""How many files this process may have open (`ulimit -n`), and how many workers that is enough for."""

import contextlib
import logging
import os
import resource

from ilsvrc_tfds.errors import OptionError

# With fewer not even two workers can be started.
_FEWEST = 32
# Of the driver, beside one for each worker: the pool has 8, a process that is being started 4; the rest is for the job's own.
_SPARE = 24
# The most that macOS takes, whose limit has no end.
_MOST = 10_240

_log = logging.getLogger(__name__)


def require_open_files() -> None:
    """Raises the limit if it is very low, or OptionError if it cannot be raised so far that workers can be started."""
    most = _allowed(_FEWEST)
    if most < _FEWEST:
        what = f"A process may have {most} files open here, and needs {_FEWEST}"
        raise OptionError(f"{what}: raise the limit (`ulimit -n 1024`).")


def affordable(workers: int) -> int:
    """Returns how many of these worker processes there can be, and raises the limit for them; says so if they are fewer."""
    taken = _taken()
    needed = workers + taken + _SPARE
    limit = _allowed(needed)
    if workers == 1 or needed <= limit:
        return workers
    fewer = max(1, limit - taken - _SPARE)
    _log.warning(
        "%d of %d workers: this process may have %d files open (`ulimit -n`), and %d are needed for all.",
        *(fewer, workers, limit, needed),
    )
    return fewer


def _allowed(wanted: int) -> int:
    """Returns how many files may be open, of `wanted` at least; raises the soft limit to the hard one if it is lower."""
    limit, most = (
        _MOST if one == resource.RLIM_INFINITY else one for one in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if limit < wanted and limit < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            return most
    return limit


def _taken() -> int:
    """Returns how many files this process has open."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:  # none is left to look at them, or the system does not show them
        return _SPARE
