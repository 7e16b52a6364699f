"""Ctrl-C and SIGTERM end a command in order; or without order, where TensorFlow does not come back.

Python's handlers run in the main thread, between two of its own instructions. While TensorFlow waits there, for a file system that
stalls or for a tf.data service without workers, they do not run.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from ilsvrc_tfds.interrupts import start_thread

ENDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}

# A step of a large model may take some. Docker kills 10 seconds after SIGTERM, SLURM 30.
_SECONDS_TO_COME_BACK = 5
# From the handler to the end of the block, where TensorFlow waits for what it reads ahead.
_SECONDS_TO_END = 15

_STDERR = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


@contextlib.contextmanager
def termination_heeded() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C does; by default the workers would outlive it, and process 1 of a container ignores it."""
    with _handlers({signal.SIGTERM: _terminate}) if _in_main_thread() else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def ended_in_any_case(last_words: Callable[[int], str]) -> Iterator[None]:
    """Ends the process where a signal that has come does not end the block; for blocks that read with TensorFlow.

    Not for a block that has much to put in order when it is interrupted. The status is that of `main`: 128 and the signal's number.

    Args:
      last_words: returns what to print then, of the signal's number.
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
        while byte := os.read(woken, 1):  # a byte for each signal that Python handles: its number
            if before >= 0:  # a caller's, as asyncio has one
                with contextlib.suppress(OSError):
                    os.write(before, byte)
            if byte[0] in handlers and not (came.wait(_SECONDS_TO_COME_BACK) and ended.wait(_SECONDS_TO_END)):
                with contextlib.suppress(OSError):
                    os.write(_STDERR, f"ilsvrc-tfds: {last_words(byte[0])}\n".encode())
                os._exit(128 + byte[0])

    handlers: dict[int, Callable] = {signal.SIGTERM: marked(_terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
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
    return threading.current_thread() is threading.main_thread()  # others may not say what a signal does


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while all is put in order
    raise Terminated


@contextlib.contextmanager
def _handlers(handlers: dict[int, Callable]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
