"""Standard output and error: closed, full, or without the letters that are to be written, they must not undo the work."""

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator

from ilsvrc_tfds.errors import IlsvrcError

_REPLACED = "ilsvrc_tfds.replaced"


class OutputError(IlsvrcError):
    """What a command had to say cannot be written; whatever it made is made."""


def make_usable() -> None:
    """Opens closed streams to nowhere, and lets letters that a stream does not have be replaced.

    A closed descriptor would be given to the next file that is opened, a shard perhaps, and what libraries write to standard
    error would become a part of it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free. Worker processes need it as well.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            codecs.register_error(_REPLACED, _replaced)
            stream.reconfigure(errors=_REPLACED)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Returns bytes of a path that are no text as they are, and other letters that the stream does not have as `\\u2026`."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def say(*lines: object) -> None:
    """Prints lines. Raises OutputError if they cannot be written, BrokenPipeError if their reader has gone."""
    with _output_errors():
        print(*lines, sep="\n", flush=True)


def flush() -> None:
    """Writes what was printed. Raises OutputError, BrokenPipeError."""
    with _output_errors():
        sys.stdout.flush()


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"Standard output cannot be written: {error.strerror or error}.") from error


def complain(text: object) -> None:
    """Prints a line to standard error if that can be written."""
    with contextlib.suppress(OSError):
        print(f"ilsvrc-tfds: {text}", file=sys.stderr, flush=True)


def give_up_output() -> None:
    """Sends what is still to be written nowhere: Python writes once more when it ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
