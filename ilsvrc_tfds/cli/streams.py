"""Standard output and error. If they are closed, full or cannot encode a text, the work of a command is not lost."""

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator

from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.terminal.console import for_terminal

_REPLACED = "ilsvrc_tfds.replaced"


class OutputError(IlsvrcError):
    """The output of a command cannot be written. Files that it made are complete."""


def make_usable() -> None:
    """Opens closed streams to the null device, and makes streams replace characters that they cannot encode.

    If a descriptor stayed closed, the next file that is opened, perhaps a shard, would get its number. Messages that
    libraries write to standard error would then end up in that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The new descriptor gets the lowest free number, which is this one. Worker processes inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            codecs.register_error(_REPLACED, _replaced)
            stream.reconfigure(errors=_REPLACED)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Returns bytes of a path that are not text unchanged, and other characters in the form `\\u2026`."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def say(*lines: object) -> None:
    """Prints lines.

    Raises OutputError if they cannot be written, and BrokenPipeError if the reader of a pipe has ended.

    >>> say("train: 1,281,167 images", "READY")
    train: 1,281,167 images
    READY
    """
    with _output_errors():
        print(*lines, sep="\n", flush=True)


def flush() -> None:
    """Flushes standard output. Raises the errors of `say`."""
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
    """Prints a line to standard error. Does nothing if that cannot be written."""
    with contextlib.suppress(OSError):
        print(for_terminal(f"ilsvrc-tfds: {text}"), file=sys.stderr, flush=True)


def give_up_output() -> None:
    """Redirects standard output to the null device: Python flushes it at exit, which would fail again."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
