"""Run a function in a process of its own: nothing is imported before, and its peak of memory is its own."""

import concurrent.futures
import glob
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

_SECONDS_BETWEEN_LOOKS = 0.05


class Peaks(NamedTuple):
    """What a call returned, and the memory it took at most.

    Attributes:
      result: of the call.
      driver: peak of the process of the call, bytes.
      worker: peak of the largest process below it, bytes; 0 where there was none.
    """

    result: object
    driver: int
    worker: int


def in_fresh_process(function: Callable, *arguments):
    """Returns `function(*arguments)`, called in a new process."""
    with _executor(1) as executor:
        return executor.submit(function, *arguments).result()


def in_fresh_processes(function: Callable, jobs: list) -> list:
    """Returns `function(job)` for each job, called in as many new processes at once."""
    with _executor(len(jobs)) as executor:
        return list(executor.map(function, jobs))


def with_peaks(function: Callable, *arguments) -> Peaks:
    """Returns `function(*arguments)`, called in a new process that is watched from outside (Linux)."""
    with _executor(1) as executor:
        driver = executor.submit(os.getpid).result()
        future, peaks = executor.submit(function, *arguments), {}
        while not future.done():
            peaks |= {pid: peak for pid in (driver, *_below(driver)) if (peak := _peak(pid))}
            concurrent.futures.wait([future], timeout=_SECONDS_BETWEEN_LOOKS)
        result, own = future.result(), max(peaks.pop(driver, 0), _peak(driver))
    return Peaks(result, own, max(peaks.values(), default=0))


class BusyClock:
    """Tells how much of this machine others took since it was made: a run beside a busy neighbour is no measurement (Linux)."""

    def __init__(self):
        self._start = time.perf_counter(), _busy_seconds()

    def cores_of_others(self) -> float:
        """Returns the cores that neither this process nor those that it waited for kept busy, on average."""
        seconds, busy = (now - then for now, then in zip((time.perf_counter(), _busy_seconds()), self._start))
        return busy / seconds


def report(**line) -> None:
    """Prints one JSON line; floats to four digits."""
    print(
        json.dumps({key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in line.items()}),
        flush=True,
    )


def _executor(processes: int) -> concurrent.futures.ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn, initializer=_leave_stdout)


def _leave_stdout() -> None:
    """Sends what a process prints to stderr: stdout is for JSON lines."""
    sys.stdout = sys.stderr


def _below(pid: int) -> Iterator[int]:
    """Yields the processes that a process has started, and theirs."""
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        for child in _text(path).split():
            yield int(child)
            yield from _below(int(child))


def _peak(pid: int) -> int:
    # Not ru_maxrss: that survives exec, so a small worker would have the size of the driver that started it.
    lines = dict(line.split(":", 1) for line in _text(f"/proc/{pid}/status").splitlines())
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024


def _busy_seconds() -> float:
    """Returns the processor time of the whole machine without that of this process and its ended children."""
    user, nice, system, _, _, irq, softirq = map(int, _text("/proc/stat").split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:  # the process has ended
        return ""
