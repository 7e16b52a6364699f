"""Ctrl-C and SIGTERM wait while processes and threads are started, also where other threads take the signals."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ilsvrc_tfds.cli import signals
from ilsvrc_tfds.interrupts import INTERRUPTS, interrupts_held, start_thread
from ilsvrc_tfds.storage import staging


@pytest.fixture
def another_thread():
    """A thread that takes all signals, as those of TensorFlow do."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.parametrize("number, error", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, signals.Terminated)])
def test_interrupt_waits_for_the_end_of_the_block_though_there_is_another_thread(another_thread, number, error):
    done = []
    with signals.termination_heeded(), pytest.raises(error):
        with interrupts_held():
            os.kill(os.getpid(), number)
            time.sleep(0.1)
            done.append("block")
        done.append("behind it")
    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not INTERRUPTS & signal.pthread_sigmask(signal.SIG_BLOCK, [])


# What happens to a process for which nobody has said what a signal does, or which ignores it.
DEFAULT = """
import os, signal, sys, threading, time
from ilsvrc_tfds.interrupts import interrupts_held
threading.Thread(target=time.sleep, args=[1], daemon=True).start()
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[1]))
with interrupts_held():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
    print("block", flush=True)
print("behind it", flush=True)
"""


@pytest.mark.parametrize(
    "action, status, said", [("SIG_DFL", -signal.SIGTERM, "block\n"), ("SIG_IGN", 0, "block\nbehind it\n")]
)
def test_default_and_ignored_signals_stay_so(action, status, said):
    done = subprocess.run([sys.executable, "-c", DEFAULT, action], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (status, said)


def test_threads_of_the_package_take_no_interrupts(tmp_path):
    ended, before = threading.Event(), _masks()
    with staging.claim(tmp_path / "data"), signals.ended_in_any_case(str):
        thread = start_thread(ended.wait)
        new = {number: mask for number, mask in _masks().items() if number not in before}
        assert list(new.values()) == [INTERRUPTS] * 3
    ended.set()
    thread.join()


def _masks() -> dict[str, set[int]]:
    """Returns which of both signals each thread of this process blocks, by its number (Linux)."""
    masks = {}
    for task in Path("/proc/self/task").iterdir():
        line = next(line for line in (task / "status").read_text().splitlines() if line.startswith("SigBlk"))
        masks[task.name] = {number for number in INTERRUPTS if int(line.split()[1], 16) >> number - 1 & 1}
    return masks
