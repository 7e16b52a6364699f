"""Ctrl-C and SIGTERM held back while processes and threads are started."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# A terminal sends the one, a scheduler the other, to all processes at once.
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back until the block ends; in a process that is started meanwhile, until it ignores them.

    A mask is of one thread: if there are others, as TensorFlow's, one of these takes the signal, and Python runs its handler in
    the main thread all the same. So the handlers wait as well.
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
    """Returns a thread that was started, and that takes no Ctrl-C and no SIGTERM; it does not keep the process alive."""
    thread = threading.Thread(target=target, daemon=True)
    with interrupts_held():  # a thread has the mask of the one that starts it
        thread.start()
    return thread


def _replaced(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Returns the handlers of before, in whose place this one is now; only the main thread may say what a signal does."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before: dict[int, Any] = {number: signal.getsignal(number) for number in INTERRUPTS}
    # None: of a library in C. What is ignored stays so, also in a process that is started.
    before = {number: one for number, one in before.items() if one not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, handler)
    return before
