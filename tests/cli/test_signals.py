"""Ctrl-C and SIGTERM end a command also where its main thread never comes back to Python."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import training
from ilsvrc_tfds.cli import signals
from ilsvrc_tfds.interrupts import ENDS

pytestmark = pytest.mark.slow

NOTHING_KEPT = " No epoch was finished, so nothing is kept: the same command begins anew."
HEAD = """
import ctypes, sys, time
from ilsvrc_tfds import cli
from ilsvrc_tfds.cli import commands, signals
signals._SECONDS_TO_COME_BACK, signals._SECONDS_TO_END = 0.5, 1.5

def block():
    mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
    print("ready", flush=True)
    lock(mutex), lock(mutex)  # not even a signal ends it

def evaluate(options):
"""
TAIL = """
commands.evaluate = evaluate
sys.argv[1:] = ["evaluate", "data", "--model", "model.keras"]
cli.run()
"""
BLOCKED = "    block()"
BLOCKED_BEHIND_THE_HANDLER = """
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        block()
"""
BLOCKED_AT_THE_END = """
    class Blocked:
        def __del__(self, block=block):
            block()
    sys.modules["blocked"] = Blocked()
    print("ready", flush=True)
    time.sleep(60)
"""
ORDERLY = """
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        time.sleep(1)
        print("in order", flush=True)
"""


@contextlib.contextmanager
def started(*command, **options):
    options = {"stderr": subprocess.PIPE, **options}
    with subprocess.Popen([sys.executable, *command], text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "code", [BLOCKED, BLOCKED_BEHIND_THE_HANDLER, BLOCKED_AT_THE_END], ids=["now", "unwinding", "at exit"]
)
def test_command_that_is_blocked_ends_with_its_status_and_line(code, number):
    with started("-c", HEAD + code + TAIL, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)  # from the line to the call that blocks
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert errors == f"ilsvrc-tfds: {ENDS[number]}.\n"


SHOWN = """
    from ilsvrc_tfds.terminal.progress import progress
    with progress("val", 3) as work:
        block()
"""


def test_terminal_has_its_cursor_again_after_a_command_that_was_blocked():
    ours, theirs = os.openpty()
    with started(
        "-c", HEAD + SHOWN + TAIL, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 128 + signal.SIGINT
        said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "\x1b[?25l" in said and said.endswith("\r\x1b[2K\x1b[?25hilsvrc-tfds: Interrupted.\r\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_orderly_end_is_not_cut_short(number):
    with started("-c", HEAD + ORDERLY + TAIL, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        printed, errors = process.communicate(timeout=20)
    assert (process.returncode, printed) == (128 + number, "in order\n")
    assert errors == f"ilsvrc-tfds: {ENDS[number]}.\n"


def test_handlers_are_those_of_before_when_a_block_has_ended():
    before = [signal.getsignal(number) for number in ENDS], signal.set_wakeup_fd(-1)
    with pytest.raises(signals.Terminated):
        with signals.ended_in_any_case(str):
            signal.raise_signal(signal.SIGTERM)
    assert ([signal.getsignal(number) for number in ENDS], signal.set_wakeup_fd(-1)) == before


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A prepared data set of 12 images of train in 3 shards and 6 of val in 2, with a model beside it."""
    root = tmp_path_factory.mktemp("signals")
    archives, shards = drawing.official_archives(root / "archives", drawing.miniature()), {"train": 3, "val": 2}
    ilsvrc_tfds.prepare(archives, root / "data", config="raw256", workers=1, allow_incomplete=True, num_shards=shards)
    training.build_model("small", image_size=32).save(root / "model.keras")
    return root


SMALL = ["--model", "small", "--image-size", "32", "--epochs", "1", "--warmup-epochs", "0", "--batch-size", "4"]


def test_commands_end_while_tensorflow_reads_from_a_file_system_that_stalls(source, tmp_path):
    cases = {  # the split and shard that stall, the words behind the data, the signal, what is said besides
        "train": ("val", 0, ["--out", str(tmp_path / "run"), *SMALL], signal.SIGTERM, NOTHING_KEPT),
        "evaluate": ("val", 1, ["--model", str(source / "model.keras"), "--batch-size", "2"], signal.SIGINT, ""),
        "bench": ("train", 2, ["--batch-size", "2"], signal.SIGTERM, ""),
    }
    with contextlib.ExitStack() as stack:
        processes = {}
        for command, (split, number, words, *_) in cases.items():
            folder = shutil.copytree(source / "data/ilsvrc2012/raw256/1.0.0", tmp_path / command)
            line = [Path(drawing.__file__).with_name("stalled.py"), split, str(number), command, folder, *words]
            processes[command] = stack.enter_context(started(*line, stdout=subprocess.DEVNULL))
        for command, (*_, number, kept) in cases.items():
            wait_until_blocked(processes[command])
            processes[command].send_signal(number)
            _, errors = processes[command].communicate(timeout=60)
            assert processes[command].returncode == 128 + number
            assert errors.splitlines()[-1] == f"ilsvrc-tfds: {ENDS[number]}.{kept}"


def wait_until_blocked(process: subprocess.Popen) -> None:
    """Returns when a thread of a process waits for the other end of a pipe (Linux), and all others for it."""
    end = time.monotonic() + 120
    while not any("wait_for_partner" in _text(path) for path in Path(f"/proc/{process.pid}/task").glob("*/wchan")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):  # the thread has ended
        return path.read_text()
    return ""


# A caller of `main` that has its own handler, and goes on.
OWN = """
import signal, sys, time
from ilsvrc_tfds import cli
from ilsvrc_tfds.cli import commands, signals
signals._SECONDS_TO_COME_BACK, signals._SECONDS_TO_END = 0.3, 0.3

def evaluate(options):
    print("ready", flush=True)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.1)
    return 0

commands.evaluate = evaluate
signal.signal(signal.SIGINT, lambda number, frame: print("own handler", flush=True))
print("status", cli.main(["evaluate", "data", "--model", "model.keras"]), flush=True)
"""


def test_caller_with_its_own_handler_is_not_ended():
    with started("-c", OWN, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=20)
    assert (process.returncode, printed, errors) == (0, "own handler\nstatus 0\n", "")


def test_signal_still_wakes_a_caller_s_event_loop():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before, handler = signal.set_wakeup_fd(writer), signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with signals.ended_in_any_case(str):
            signal.raise_signal(signal.SIGUSR1)
            assert select.select([reader], [], [], 5)[0] and os.read(reader, 1) == bytes([signal.SIGUSR1])
    finally:
        signal.signal(signal.SIGUSR1, handler)
        assert signal.set_wakeup_fd(before) == writer
        os.close(reader), os.close(writer)


# At its end Python would destroy this, which takes a minute, as the iterators of TensorFlow sometimes take for ever.
STUCK = """
import sys, time
from ilsvrc_tfds import cli

class Stuck:
    def __del__(self, sleep=time.sleep):
        sleep(60)

stuck, sys.modules["tensorflow"] = Stuck(), object()
def main():
    if "raise" in sys.argv:
        raise ZeroDivisionError("a bug")
    print("said")
    return 1
cli.main = main
if "raise" in sys.argv:
    del stuck.__class__.__del__
cli.run()
"""


@pytest.mark.parametrize(
    "words, printed", [([], "said"), (["raise"], "ZeroDivisionError: a bug")], ids=["error", "bug"]
)
def test_command_that_has_read_ends_whatever_tensorflow_still_holds(words, printed):
    ended = subprocess.run([sys.executable, "-c", STUCK, *words], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and printed in ended.stdout + ended.stderr
