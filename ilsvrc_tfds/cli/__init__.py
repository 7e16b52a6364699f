"""The command `ilsvrc-tfds`: parses the arguments, runs a command, and turns errors into a line and an exit status."""

import argparse
import atexit
import contextlib
import errno
import functools
import logging
import os
import signal
import sys
from typing import NoReturn

from ilsvrc_tfds.cli.parser import parse
from ilsvrc_tfds.cli.results import say_error
from ilsvrc_tfds.cli.signals import Terminated, ended_in_any_case, termination_heeded
from ilsvrc_tfds.cli.streams import OutputError, complain, flush, give_up_output, make_usable
from ilsvrc_tfds.errors import IlsvrcError, unreadable
from ilsvrc_tfds.formats.data_sets import folder_of
from ilsvrc_tfds.interrupts import ENDS, start_thread, take_interrupts
from ilsvrc_tfds.runners.open_files import require_open_files
from ilsvrc_tfds.terminal.console import Messages, console
from ilsvrc_tfds.terminal.noise import silence_libraries

_SECONDS_FOR_DOCUMENT = 1.0


def run() -> NoReturn:
    """Runs the command line of this process, and ends the process with the exit status of `main`."""
    status: int | None = None

    def end() -> None:
        # Registered first, so called last. After it Python would wait for the threads in which TensorFlow still reads,
        # or destroy an iterator that waits for them: after an error in a record 4 of 18 trainings never ended.
        if status is not None and (status > 128 or "tensorflow" in sys.modules):
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    atexit.register(end)
    status = main()
    if status and os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1") != "1":
        end()  # JAX would wait at its exit for the other hosts, which wait for this one
    sys.exit(status)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status.

    | status | meaning |
    |---|---|
    | 0 | success |
    | 1 | an error that the user can fix, or problems found by `doctor` or `verify` |
    | 2 | wrong usage; raised as SystemExit |
    | 130, 143 | stopped by Ctrl-C, or by SIGTERM, which schedulers send: 128 and the signal's number, as in a shell |
    | 141 | the reader of the output has ended, for example `head` |

    If the output cannot be written, for example to a full disk, only commands that make no files fail.

    >>> main(["metadata", "/data/imagenet", "--out", "/data/metadata.h5"])
    /data/metadata.h5: ... kB
    0
    >>> main(["show", "/data/nowhere"])
    1
    """
    make_usable()
    options = argparse.Namespace(resumes=False, makes_files=False, as_json=False)
    try:
        take_interrupts()
        options = _parsed(arguments)
        require_open_files()
        return _carried_out(options)
    except OutputError as error:
        give_up_output()
        complain(f"{error} Everything else is finished." if options.makes_files else f"{error} Send it elsewhere.")
        return 0 if options.makes_files else 1
    except IlsvrcError as error:
        return _failed(options, str(error), 1)
    except KeyboardInterrupt as interrupt:
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        return _failed(options, _last_words(options, number), 128 + number)
    except BrokenPipeError:
        give_up_output()
        return 141
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return _failed(options, unreadable(error.filename or "A file", error), 1)
        say_error(options, f"{type(error).__name__}: {error}")  # a bug, whose traceback follows
        raise


def _failed(options: argparse.Namespace, text: object, status: int) -> int:
    complain(text)
    say_error(options, text)
    return status


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    try:
        return parse(arguments)
    except SystemExit:  # help was printed
        flush()
        raise


def _carried_out(options: argparse.Namespace) -> int:
    silence_libraries()
    # Set before anything loads HDF5: some file systems refuse its locks, which Keras requests for weights that it
    # downloads.
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    console().quiet = options.quiet
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[Messages()])
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    if options.names_folder:
        options.folder = folder_of(options.folder, options.data_dir)
    last_words = functools.partial(_last_words_of_all, options)
    with ended_in_any_case(last_words) if options.reads else termination_heeded():
        return options.command(options)


def _last_words_of_all(options: argparse.Namespace, number: int) -> str:
    """Prints the document of `--json`, and returns the last words. Another thread than the main one calls this."""
    words = _last_words(options, number)
    # In a thread of its own: nobody may read the pipe that is the standard output, and the process must end.
    start_thread(functools.partial(say_error, options, words)).join(_SECONDS_FOR_DOCUMENT)
    return words


def _last_words(options: argparse.Namespace, number: int) -> str:
    kept = "Finished work is kept: run the same command again to continue." if options.resumes else ""
    if "kept" in options:  # the command knows it better
        kept = options.kept()
    return f"{ENDS[signal.Signals(number)]}. {kept}".rstrip()
