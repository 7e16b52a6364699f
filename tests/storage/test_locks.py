"""Claims on file systems without locks: the kernel refuses `flock` to real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import refusing

from ilsvrc_tfds.storage import locks
from ilsvrc_tfds.storage.holders import read_holder

pytestmark = pytest.mark.slow

REFUSING = [sys.executable, refusing.__file__, "ENOLCK", "flock", sys.executable, "-c"]
# Beats fast; `machine` is another one's if it is given.
BEFORE = """
import logging, os, sys, time
from pathlib import Path
from ilsvrc_tfds import errors
from ilsvrc_tfds.storage import holders, locks, staging
locks._SECONDS_BETWEEN_BEATS = 0.05
logging.basicConfig(format="%(message)s", stream=sys.stdout)
destination, machine = Path(sys.argv[1]), sys.argv[2]
if machine:
    holders.machine, holders.kernel = lambda: machine, lambda: machine
"""
# Claims the destination and keeps it until a line comes; then publishes.
HOLD = (
    BEFORE
    + """
with staging.claim(destination) as claimed:
    print("held", flush=True)
    input()
    with claimed.replacing(sync=False):
        destination.mkdir()
print("published", flush=True)
"""
)
SLOW_CLOCK = "import os\nutime = os.utime\nos.utime = lambda file: utime(file, (time.time() - 3600,) * 2)\n"


@pytest.fixture
def destination(tmp_path) -> Path:
    return tmp_path / "data/1.0.0"


def start(code: str, destination: Path, machine: str = "") -> subprocess.Popen:
    pipe = subprocess.PIPE
    environment = {**os.environ, "ILSVRC_TFDS_WORKER": "1"}  # loads no TensorFlow
    return subprocess.Popen(
        [*REFUSING, code, destination, machine], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
    )


def hold(destination: Path, machine: str = "", code: str = HOLD) -> subprocess.Popen:
    process = start(code, destination, machine)
    lines = [process.stdout.readline() for _ in range(2)]
    if not lines[1] and process.wait() == refusing.UNAVAILABLE:
        pytest.skip("the kernel refuses to refuse system calls here")
    assert "file locks do not work there (No locks available)" in lines[0] and lines[1] == "held\n"
    return process


def ended(process: subprocess.Popen, line: str = "\n") -> str:
    """Returns what a process says until it ends, and the last line of its errors; it gets a line to go on."""
    out, err = process.communicate(line, timeout=60)
    return out + err[-1000:]


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


def make_silent(destination: Path) -> None:
    """Makes the holder's file old: it was not renewed for longer than a living process takes."""
    os.utime(destination.parent / ".1.0.0.staging/lock.holder", (0, 0))


def test_second_run_is_refused_and_the_next_one_is_not(destination):
    first = hold(destination)
    assert f"Another run is making {destination} (process {first.pid} on " in ended(start(HOLD, destination))
    assert ended(first) == "published\n"
    destination.rmdir()
    assert ended(hold(destination)) == "published\n"
    assert os.listdir(destination.parent) == ["1.0.0"]


def test_dead_process_of_this_machine_is_taken_over_at_once(destination):
    kill(hold(destination))
    begun = time.monotonic()
    assert ended(hold(destination)) == "published\n" and time.monotonic() - begun < locks._SECONDS_TO_DEATH


def test_silent_process_of_another_machine_is_taken_over_after_a_while(destination):
    kill(hold(destination, "another"))
    out = ended(start(HOLD, destination))
    assert "Another run is making" in out and "If it was killed on another machine, try again in a minute." in out
    make_silent(destination)
    out = ended(start(HOLD, destination))
    assert "has not been renewed for a minute: watching whether its process is alive" in out and out.endswith(
        "held\npublished\n"
    )


def test_clock_of_another_machine_does_not_matter(destination):
    first = hold(destination, "another", HOLD.replace("destination, machine =", SLOW_CLOCK + "destination, machine ="))
    out = ended(start(HOLD, destination))  # its file looks an hour old, and is renewed
    assert "watching whether its process is alive" in out and "Another run is making" in out
    assert ended(first) == "published\n"


def test_process_that_was_suspended_does_not_publish_over_the_one_that_took_over(destination):
    first = hold(destination, "another")
    first.send_signal(signal.SIGSTOP)
    time.sleep(0.1)  # until it has stopped
    make_silent(destination)
    try:
        second = start(HOLD, destination)
        while second.stdout.readline() != "held\n":
            assert second.poll() is None
    finally:
        first.send_signal(signal.SIGCONT)
    assert f"Another run has taken {destination} over while this one did not answer." in ended(first)
    assert ended(second) == "published\n" and os.listdir(destination.parent) == ["1.0.0"]


@pytest.mark.parametrize("text", ["", "{", '{"token": "x"}', "[]", "\0" * 100])
def test_file_that_was_half_written_counts_by_its_time(destination, text):
    staging = destination.parent / ".1.0.0.staging"
    staging.mkdir(parents=True)
    (staging / "lock.holder").write_text(text)
    assert "Another run is making" in ended(start(HOLD, destination))
    make_silent(destination)
    assert ended(start(HOLD, destination)).endswith("held\npublished\n")
    assert os.listdir(destination.parent) == ["1.0.0"]


def test_file_that_a_third_process_made_meanwhile_is_put_back(tmp_path):
    path = tmp_path / "lock.holder"
    words = '{"token": "%s", "machine": "", "process": 1, "kernel": "", "text": "someone"}'
    path.write_text(words % "a")
    dead = read_holder(path)
    path.write_text(words % "b")
    locks._remove_dead(path, dead)
    assert read_holder(path).token == "b"
    locks._remove_dead(path, read_holder(path))
    assert os.listdir(tmp_path) == []


# Claims and leaves a destination for two seconds, or is killed while it holds it; fails if another process holds it
# meanwhile.
RACE = (
    BEFORE
    + """
import random
end, held, alone = time.time() + 2, 0, destination.parent / "alone"
while time.time() < end:
    try:
        with staging.claim(destination):
            os.close(os.open(alone, os.O_CREAT | os.O_EXCL))
            held += 1
            time.sleep(random.random() / 100)
            os.unlink(alone)
            if random.random() < 0.02:
                os.kill(os.getpid(), 9)
    except errors.DestinationError as error:
        assert "Another run is making" in str(error), error
print("held", held)
"""
)


def test_runs_that_race_and_die_never_hold_a_destination_at_once(destination):
    destination.parent.mkdir(parents=True)
    racers = [start(RACE, destination) for _ in range(4)]
    said = [racer.communicate(timeout=60) for racer in racers]
    statuses = {racer.returncode for racer in racers}
    if refusing.UNAVAILABLE in statuses:
        pytest.skip("the kernel refuses to refuse system calls here")
    assert statuses <= {0, -signal.SIGKILL}, said
    assert not (destination.parent / "alone").exists()
    assert ended(start(HOLD, destination)).endswith("held\npublished\n")


# HDF5 asks for locks as well, Keras's in the backups of a training.
COMMANDS = """
import sys
from ilsvrc_tfds.cli import main
source, data, run = sys.argv[1:]
assert main(["prepare", source, "--data-dir", data, "--allow-incomplete", "--workers", "1"]) == 0
assert main(["verify", f"{data}/ilsvrc2012/classification/1.0.0", "--workers", "1"]) == 0
words = "--model small --image-size 32 --epochs 2 --warmup-epochs 0 --batch-size 4 --out".split()
assert main(["train", f"{data}/ilsvrc2012/classification/1.0.0", *words, run]) == 0
"""


def test_commands_work_without_locks(archives, tmp_path):
    done = subprocess.run(
        [*REFUSING, COMMANDS, archives, tmp_path / "data", tmp_path / "run"], capture_output=True, text=True
    )
    if done.returncode == refusing.UNAVAILABLE:
        pytest.skip("the kernel refuses to refuse system calls here")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "OK: " in done.stdout and (tmp_path / "run/model.keras").exists()
