"""A real Dask scheduler and workers, as processes of this machine that speak TCP."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client

_SECONDS = 60


class DaskCluster:
    """A scheduler and workers of one thread each, without nannies: a worker that dies stays dead."""

    def __init__(self, folder: Path):
        file = folder / "scheduler.json"
        self._folder = folder
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        self.address = _address(file)
        self.workers = []

    def start_worker(self) -> subprocess.Popen:
        """Returns a new worker's process; the scheduler hears of it a second later."""
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", "--no-nanny"))
        return self.workers[-1]

    def wait_for_workers(self) -> None:
        """Returns when the scheduler knows all workers."""
        with Client(self.address) as client:
            client.wait_for_workers(len(self.workers), timeout=_SECONDS)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen:
        # The workers find the tests' functions where the tests do.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with open(self._folder / f"{words[0]}.log", "a") as log:
            command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
            return subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int = 2) -> Iterator[DaskCluster]:
    """Holds a cluster; its logs lie in the folder."""
    cluster = DaskCluster(folder)
    try:
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()


def wait_for(condition, seconds: float = _SECONDS):
    """Returns what `condition()` returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    raise TimeoutError(f"nothing of it within {seconds} s")


def _address(file: Path) -> str:
    def written() -> str | None:
        with contextlib.suppress(OSError, ValueError):
            return json.loads(file.read_text())["address"]

    return wait_for(written)
