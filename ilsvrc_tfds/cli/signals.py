"""Makes Ctrl-C and SIGTERM end a command: after it has cleaned up, or at once if TensorFlow blocks the main thread.

Python runs signal handlers in the main thread, between two of its own instructions. They do not run while TensorFlow
blocks this thread, for example because a file system stalls or a tf.data service has no workers.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from ilsvrc_tfds.interrupts import start_thread
from ilsvrc_tfds.terminal.console import leave_terminal

# Time until Python runs the handler. A step of a large model may take some seconds. Docker kills a process 10 seconds
# after SIGTERM, SLURM 30.
_SECONDS_TO_COME_BACK = 5
# Time from the handler to the end of the block. At the end, TensorFlow waits for the data that it reads ahead.
_SECONDS_TO_END = 15

_STDERR = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


@contextlib.contextmanager
def termination_heeded() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C does, by raising Terminated, which is a KeyboardInterrupt.

    By default, SIGTERM would leave the workers running, and process 1 of a container would ignore it. Outside the main
    thread nothing is changed.

    >>> try:
    ...     with termination_heeded():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except KeyboardInterrupt as error:
    ...     print(type(error).__name__)
    Terminated
    """
    with _handlers({signal.SIGTERM: _terminate}) if _in_main_thread() else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def ended_in_any_case(last_words: Callable[[int], str]) -> Iterator[None]:
    """Ends the process if Ctrl-C or SIGTERM does not end the block in time. For blocks that read with TensorFlow.

    A block that takes long to clean up after an interrupt should not use this. The exit status is 128 plus the signal's
    number, as in `main`. Outside the main thread nothing is changed.

    >>> with ended_in_any_case(lambda number: f"{ENDS[number]}."):
    ...     print("reading")
    reading

    Args:
      last_words: Function that takes the signal's number and returns the message to print before the process is ended.
    """
    if not _in_main_thread():
        yield
        return
    came, ended = threading.Event(), threading.Event()

    def marked(handler: Callable) -> Callable:
        def handle(number: int, frame: FrameType | None) -> None:
            came.set()
            handler(number, frame)

        return handle

    def watch() -> None:
        while byte := os.read(woken, 1):  # Python writes the number of each signal that it handles
            if before >= 0:  # the descriptor of a caller, such as asyncio
                with contextlib.suppress(OSError):
                    os.write(before, byte)
            if byte[0] in handlers and not (came.wait(_SECONDS_TO_COME_BACK) and ended.wait(_SECONDS_TO_END)):
                leave_terminal()
                with contextlib.suppress(OSError):
                    os.write(_STDERR, f"ilsvrc-tfds: {last_words(byte[0])}\n".encode())
                os._exit(128 + byte[0])

    handlers: dict[int, Callable] = {signal.SIGTERM: marked(_terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job of a shell ignores SIGINT
        handlers[signal.SIGINT] = marked(signal.default_int_handler)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    with _handlers(handlers):
        before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        thread = start_thread(watch)
        try:
            yield
        finally:
            ended.set()
            signal.set_wakeup_fd(before)
            os.close(waker)
            thread.join()
            os.close(woken)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()  # only this thread may set handlers


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while the command cleans up
    raise Terminated


@contextlib.contextmanager
def _handlers(handlers: dict[int, Callable]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
