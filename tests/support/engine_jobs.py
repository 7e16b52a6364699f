"""Jobs for the engines' tests, in a module that other processes can import."""

import os
import signal
import time
from pathlib import Path

from ilsvrc_tfds import errors

# The jobs that this process has begun.
BEGUN: list[int] = []


def square(n: int) -> int:
    return n * n


def length(data: bytes) -> int:
    return len(data)


def process_id(_) -> int:
    time.sleep(0.05)
    return os.getpid()


def square_and_process_id(n: int) -> tuple[int, int]:
    time.sleep(0.05)
    return n * n, os.getpid()


def worker_variable(_) -> str | None:
    return os.environ.get("ILSVRC_TFDS_WORKER")


def fail_at_five(n: int) -> int:
    if n == 5:
        raise errors.ImageError("/data/train.tar: train/n01440764/a.JPEG: the JPEG ends early.")
    return n


def note_and_fail(n: int) -> None:
    BEGUN.append(n)
    fail_at_five(5)


def divide(n: int) -> float:
    return 1 / n


def die(_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say_and_wait(folder: str) -> int:
    """Says which process it is in, and waits until it may go on."""
    Path(folder, "at-work").write_text(str(os.getpid()))
    while not Path(folder, "go").exists():
        time.sleep(0.01)
    return os.getpid()
