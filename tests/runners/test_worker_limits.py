"""Fewer open files than the workers need: real limits (`ulimit -n`), and a pool that cannot be started."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest

# Prints the results of ten jobs, and how many descriptors the workers cost.
RUN = """
import logging, os, resource, sys
from ilsvrc_tfds.runners import LocalRunner, local
workers, soft, hard = map(int, sys.argv[1:4])
logging.basicConfig(format="%(message)s", stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
if len(sys.argv) > 4:
    local.affordable = int
before = len(os.listdir("/dev/fd"))
with LocalRunner(workers) as runner:
    results = runner.run(abs, range(-10, 0))
    first = next(results)
    taken = len(os.listdir("/dev/fd")) - before
    print(sum(results) + first, runner.workers, taken, *resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)
"""


def run(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", RUN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_workers_are_as_many_as_the_limit_is_enough_for():
    done = run(48, 34, 34)
    said, numbers = done.stdout.splitlines()
    total, workers, taken, *_ = map(int, numbers.split())
    assert (total, done.returncode, done.stderr) == (55, 0, "") and 2 <= workers <= 6
    assert said.startswith(f"Using {workers} of 48 workers: this process may have 34 files open (`ulimit -n`), and ")
    assert taken <= 8 + workers  # as `open_files` reckons


@pytest.mark.slow
def test_soft_limit_is_raised_for_the_workers():
    done = run(3, 26, 60)
    assert done.stdout.split()[:2] + done.stdout.split()[3:] == ["55", "3", "60", "60"], done.stderr


@pytest.mark.slow
def test_soft_limit_that_is_enough_is_left_alone():
    assert run(2, 60, 64).stdout.split()[3:] == ["60", "64"]


def test_limit_too_low_for_any_worker_is_enough_for_this_process():
    done = run(2, 20, 20)
    said, numbers = done.stdout.splitlines()
    assert said.startswith("Using 1 of 2 workers") and numbers.split()[:3] == ["55", "1", "0"], done.stderr


@pytest.mark.slow
def test_pool_that_cannot_be_started_ends_with_an_error_and_no_process_left():
    command = [sys.executable, "-c", RUN, "20", "28", "28", "no cap"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and errors.count("Traceback") == 2
    assert "OptionError: 20 worker processes cannot be started: Too many open files. Use fewer" in errors
    assert not workers_of(process.pid)


def workers_of(session: int) -> list[psutil.Process]:
    """Returns loky's processes of a session: workers keep that of their driver when it has ended."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            if os.getsid(process.pid) == session and "loky.backend.popen_loky_posix" in (process.info["cmdline"] or ()):
                found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("soft", [20, 34])
def test_command_with_many_workers_has_as_many_as_it_can(archives, tmp_path, soft):
    line = ["sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn 34; exec "$0" "$@"', sys.executable, "-m", "ilsvrc_tfds.cli"]
    words = ["metadata", archives, "--out", tmp_path / "metadata.h5", "--allow-incomplete", "--workers", "64"]
    done = subprocess.run([*line, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "of 64 workers: this process may have 34 files open" in done.stderr
