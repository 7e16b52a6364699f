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
from ilsvrc_tfds.interrupts import ENDS, INTERRUPTS, interrupts_held, start_thread
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


# What pip writes as `ilsvrc-tfds`.
SCRIPT = """
import sys
from ilsvrc_tfds.cli import run
if __name__ == "__main__":
    sys.exit(run())
"""
# Modules that the command imports one after another, in a second.
MOMENTS = ["numpy", "tensorflow_datasets.core.logging", "ilsvrc_tfds.outputs.builder", "ilsvrc_tfds.cli.options"]


@pytest.mark.slow
@pytest.mark.parametrize("number", list(ENDS))
@pytest.mark.parametrize("started_as", ["script", "module"])
def test_command_that_is_interrupted_while_it_imports_ends_with_one_line(started_as, number, tmp_path):
    (tmp_path / "ilsvrc-tfds").write_text(SCRIPT)
    words = [str(tmp_path / "ilsvrc-tfds")] if started_as == "script" else ["-m", "ilsvrc_tfds"]
    command = [sys.executable, "-X", "importtime", *words, "doctor", "/nowhere", "--workers", "1"]
    for moment in MOMENTS:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while (line := process.stderr.readline()) and line.rpartition("|")[2].strip() != moment:
                pass
            process.send_signal(number)
            said = [line for line in process.stderr if not line.startswith("import time:")]
        assert (process.returncode, said) == (128 + number, [f"ilsvrc-tfds: {ENDS[number]}.\n"]), moment


@pytest.mark.slow
def test_process_that_imports_the_package_keeps_its_handlers():
    code = "before = {n: signal.getsignal(n) for n in (2, 15)}; import ilsvrc_tfds.cli"
    code = f"import signal; {code}; assert before == {{n: signal.getsignal(n) for n in before}}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_ignored_interrupt_stays_ignored(tmp_path):
    (tmp_path / "ilsvrc-tfds").write_text(
        "import signal, ilsvrc_tfds; print(repr(signal.getsignal(2)), signal.getsignal(15))"
    )
    line = f"trap '' INT; '{sys.executable}' '{tmp_path}/ilsvrc-tfds'"  # as for a job in the background of a shell
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert "SIG_IGN" in done.stdout and "_end" in done.stdout
