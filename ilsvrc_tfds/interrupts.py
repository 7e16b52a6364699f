"""Blocks Ctrl-C and SIGTERM while processes and threads are started; ends the command when they come at its start."""

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# From a terminal and from a job scheduler, each to all processes at once.
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
ENDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}

_STDERR = 2
_COMMAND, _MODULES = "ilsvrc-tfds", ("ilsvrc_tfds", "ilsvrc_tfds.cli")


def end_at_interrupts() -> None:
    """Makes Ctrl-C and SIGTERM end this process with one line, if it is that of the command and has just begun.

    The imports take a second in which Python would print where it was. In other processes, and for signals that are
    ignored, as Ctrl-C is in the background of a shell, nothing is changed. `cli.main` sets its own handlers.
    """
    if _is_command() and threading.current_thread() is threading.main_thread():
        for number in ENDS:
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                signal.signal(number, _end)


def take_interrupts() -> None:
    """Makes Ctrl-C raise KeyboardInterrupt again, for code that cleans up."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_command() -> bool:
    begin = next(iter(getattr(sys, "argv", ())), "")
    if begin == "-m":
        return any(word == "-m" and name in _MODULES for word, name in itertools.pairwise(sys.orig_argv))
    return os.path.basename(begin) == _COMMAND


def _end(number: int, frame: FrameType | None) -> None:
    """Ends the process. Nothing has been made that would have to be cleaned up."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"{_COMMAND}: {ENDS[signal.Signals(number)]}.\n".encode())
    os._exit(128 + number)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delays Ctrl-C and SIGTERM until the block ends. Processes that start in the block inherit the signal mask.

    The mask is of one thread. If there are others, such as TensorFlow's, one of them takes the signal, and Python
    then runs the handler in the main thread nevertheless. So the handlers are replaced as well.

    >>> with interrupts_held():
    ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    True
    """
    came: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    handlers = _replaced(lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number in came:
            signal.raise_signal(number)


def start_thread(target: Callable[[], None]) -> threading.Thread:
    """Starts a daemon thread that blocks Ctrl-C and SIGTERM, and returns it.

    Args:
      target: Function that the thread runs.

    >>> thread = start_thread(lambda: None)
    >>> thread.join()
    """
    thread = threading.Thread(target=target, daemon=True)
    with interrupts_held():  # a thread inherits the mask of the thread that starts it
        thread.start()
    return thread


def _replaced(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Replaces the handlers and returns the earlier ones; none outside the main thread, which alone may do so."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before: dict[int, Any] = {number: signal.getsignal(number) for number in INTERRUPTS}
    # None is the handler of a C library. An ignored signal stays ignored, also in the started process.
    before = {number: one for number, one in before.items() if one not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, handler)
    return before
