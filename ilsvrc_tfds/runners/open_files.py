"""The limit of open files (`ulimit -n`), and the number of workers that it allows."""

import contextlib
import logging
import os
import resource

from ilsvrc_tfds.errors import OptionError

# With a lower limit not even two workers can start.
_FEWEST = 32
# Files of the driver, besides one for each worker: 8 for the pool, 4 while a process starts, the others for the jobs'
# own.
_SPARE = 24
# The highest limit that macOS accepts, although it reports none.
_MOST = 10_240

_log = logging.getLogger(__name__)


def require_open_files() -> None:
    """Raises the limit if it is too low for any work. Raises OptionError if that is not allowed.

    >>> require_open_files()
    """
    most = _allowed(_FEWEST)
    if most < _FEWEST:
        what = f"This process may have only {most} files open, and at least {_FEWEST} are needed"
        raise OptionError(f"{what}. Raise the limit (`ulimit -n 1024`).")


def affordable(workers: int) -> int:
    """Returns the number of worker processes that the limit allows, after raising it as far as needed; at least 1.

    Args:
      workers: Number of processes wanted. If fewer are allowed, a warning says so.

    >>> affordable(2)
    2
    """
    taken = _taken()
    needed = workers + taken + _SPARE
    limit = _allowed(needed)
    if workers == 1 or needed <= limit:
        return workers
    fewer = max(1, limit - taken - _SPARE)
    _log.warning(
        "Using %d of %d workers: this process may have %d files open (`ulimit -n`), and all workers need %d.",
        *(fewer, workers, limit, needed),
    )
    return fewer


def _allowed(wanted: int) -> int:
    """Returns the limit of open files, after raising the soft limit to the hard one if it is below `wanted`."""
    limit, most = (
        _MOST if one == resource.RLIM_INFINITY else one for one in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if limit < wanted and limit < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            return most
    return limit


def _taken() -> int:
    """Returns the number of files that this process has open."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:  # no file is left to list them with, or the system does not list them
        return _SPARE
