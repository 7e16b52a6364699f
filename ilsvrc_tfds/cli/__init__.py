"""The command `ilsvrc-tfds`: words to calls."""

import argparse
import contextlib
import errno
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator

from ilsvrc_tfds.cli.streams import OutputError, complain, flush, give_up_output, make_usable
from ilsvrc_tfds.cli.words import parse
from ilsvrc_tfds.errors import IlsvrcError, OptionError, unreadable

# With 19 two workers prepare 1000 class archives.
_FEWEST_FILES = 32
_ENDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C.

    And, as a shell has it, 143 for SIGTERM, which schedulers send; 141 where nobody reads the output any more: `| head`. Output
    that cannot be written, to a full disk say, is a failure of those commands alone that make nothing else.
    """
    make_usable()
    options = argparse.Namespace(continues=False, makes_files=False)
    try:
        options = _parsed(arguments)
        _require_open_files()
        return _carried_out(options)
    except OutputError as error:
        give_up_output()
        complain(f"{error} All else is done." if options.makes_files else f"{error} Send it to another place.")
        return 0 if options.makes_files else 1
    except IlsvrcError as error:
        complain(error)
        return 1
    except KeyboardInterrupt as interrupt:
        kept = " What is finished is kept: run the same command again to continue." if options.continues else ""
        number = signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT
        complain(f"{_ENDS[number]}.{kept}")
        return 128 + number
    except BrokenPipeError:
        give_up_output()
        return 141
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        complain(unreadable(error.filename or "A file", error))
        return 1


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    try:
        return parse(arguments)
    except SystemExit:  # help was printed
        flush()
        raise


def _require_open_files() -> None:
    """Raises the limit of open files, or OptionError, if it is so low that not even worker processes can be started."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= limit < _FEWEST_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if 0 <= most < _FEWEST_FILES:
        what = f"A process may have {most} files open here, and needs {_FEWEST_FILES}"
        raise OptionError(f"{what}: raise the limit (`ulimit -n 1024`).")


def _carried_out(options: argparse.Namespace) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's ten lines about the processor
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")  # Dask's forty about each worker's coming and going
    # Before anything loads HDF5: no file that it writes or reads here needs its locks, and some file systems refuse them.
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    with _termination_heeded():
        return options.command(options)


@contextlib.contextmanager
def _termination_heeded() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C does; by default the workers would outlive it, and process 1 of a container ignores it."""
    if threading.current_thread() is not threading.main_thread():  # others may not say what a signal does
        yield
        return

    def terminate(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while all is put in order
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
