"""The command `ilsvrc-tfds`: words to calls."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from ilsvrc_tfds.cli.words import parse
from ilsvrc_tfds.errors import IlsvrcError

_ENDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C.

    And, as a shell has it, 143 for SIGTERM, which schedulers send; 141 where nobody reads the output any more: `| head`.
    """
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's ten lines about the processor
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")  # Dask's forty about each worker's coming and going
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    try:
        with _termination_heeded():
            status = options.command(options)
        sys.stdout.flush()
        return status
    except IlsvrcError as error:
        print(f"ilsvrc-tfds: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        kept = " What is finished is kept: run the same command again to continue." if options.continues else ""
        number = signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT
        print(f"ilsvrc-tfds: {_ENDS[number]}.{kept}", file=sys.stderr)
        return 128 + number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return 141


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
