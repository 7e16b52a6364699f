"""The command `ilsvrc-tfds`: words to calls."""

import atexit
import contextlib
import logging
import os
import signal
import sys
from typing import NoReturn

from ilsvrc_tfds.cli.signals import ENDS, Terminated, ended_in_any_case, termination_heeded
from ilsvrc_tfds.cli.words import parse
from ilsvrc_tfds.errors import IlsvrcError


def run() -> NoReturn:
    """Runs the command of this process and ends it with the exit status of `main`."""
    status = 0

    def end() -> None:
        # Registered first and called last, behind which Python would wait for what TensorFlow still reads.
        if status > 128:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    atexit.register(end)
    status = main()
    sys.exit(status)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C.

    And, as a shell has it, 143 for SIGTERM, which schedulers send; 141 where nobody reads the output any more: `| head`.
    """
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's ten lines about the processor
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")  # Dask's forty about each worker's coming and going
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)

    def last_words(number: int) -> str:
        kept = " What is finished is kept: run the same command again to continue." if options.continues else ""
        return f"ilsvrc-tfds: {ENDS[number]}.{kept}"

    try:
        with ended_in_any_case(last_words) if options.reads else termination_heeded():
            status = options.command(options)
        sys.stdout.flush()
        return status
    except IlsvrcError as error:
        print(f"ilsvrc-tfds: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        print(last_words(number), file=sys.stderr)
        return 128 + number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return 141
