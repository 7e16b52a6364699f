"""Runs jobs on Dask workers, either those of an existing scheduler or of a local cluster."""

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ilsvrc_tfds.errors import InterruptedRun, OptionError
from ilsvrc_tfds.interrupts import interrupts_held
from ilsvrc_tfds.runners.local import WORKER_VARIABLE, num_cores
from ilsvrc_tfds.runners.runner import Job, Result

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

# Jobs submitted ahead for each thread of the cluster. A job is about 100 KB.
_JOBS_PER_THREAD = 4
_SECONDS_TO_CONNECT = 10

_log = logging.getLogger(__name__)


class DaskRunner:
    """An engine that runs jobs on the workers of a Dask scheduler. If a worker dies, Dask gives its job to another one.

    >>> import ilsvrc_tfds
    >>> with ilsvrc_tfds.DaskRunner(workers=1) as runner:  # or DaskRunner("tcp://host:8786")
    ...     list(runner.run(len, [b"one", b"three"]))
    [3, 5]
    """

    def __init__(self, scheduler: str | None = None, *, workers: int | None = None):
        """Constructs the engine.

        Args:
          scheduler: Address of the scheduler, such as `tcp://host:8786`. If None, workers are started on this machine;
            a script that does so needs `if __name__ == "__main__"`.
          workers: Number of processes to start if there is no scheduler. If None, one for each core.

        Raises OptionError if Dask is not installed, or `workers` is below 1.
        """
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise OptionError(
                f'The engine dask needs Dask ({error}). Install it: python -m pip install ".[dask]"'
            ) from error
        if workers is not None and workers < 1:
            raise OptionError(f"workers must be at least 1, got {workers}.")
        self._scheduler = scheduler
        self._workers = workers or num_cores()
        self._client: Client | None = None
        self._cluster: LocalCluster | None = None

    def __enter__(self) -> "DaskRunner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Drops the jobs that have not begun. Local workers end; those of a scheduler finish their current job."""
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        with contextlib.suppress(OSError, TimeoutError):  # the scheduler is gone
            if client is not None:
                client.close()
            if cluster is not None:
                cluster.close()

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike | None = None
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in the order of the jobs.

        Args:
          function: Function of a module that the workers can import.
          jobs: Jobs that can be pickled.
          shared: Shared folder, which is not used: Dask returns the results.

        Raises the error of a job when its result is due, and InterruptedRun if the cluster is lost.
        """
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        client = self._connected()
        pending: deque[Future] = deque()
        try:
            for job in jobs:
                # If `pure`, Dask would run equal jobs once, and hash every job to find them.
                pending.append(client.submit(function, job, pure=False))
                if len(pending) >= _JOBS_PER_THREAD * max(1, sum(client.nthreads().values())):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except (CancelledError, CommClosedError, KilledWorker) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise InterruptedRun(
                f"The Dask cluster was lost: {reason}. Finished work is kept. Run the same command again to continue."
            ) from error

    def _connected(self) -> "Client":
        """Returns the client, connected to a scheduler that may have no workers yet."""
        if self._client is None:
            import dask

            # For debugging, Dask keeps the last 1000 messages, which would hold all our jobs.
            with dask.config.set({"distributed.admin.low-level-log-length": 0}):
                self._client = self._connect()
            if not self._client.nthreads():
                _log.warning("Waiting for workers: `dask worker %s` on each machine.", self._client.scheduler.address)
        return self._client

    def _connect(self) -> "Client":
        from distributed import Client, LocalCluster

        address = self._scheduler
        if address is None:
            with interrupts_held():  # so that the workers never get Ctrl-C
                self._cluster = address = LocalCluster(
                    n_workers=self._workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",  # None means port 8787
                    scheduler_kwargs={"dashboard": False},
                    env={WORKER_VARIABLE: "1"},
                )
        try:
            return Client(address, timeout=_SECONDS_TO_CONNECT)
        except (OSError, ValueError) as error:
            raise OptionError(
                f"No Dask scheduler answers at {address}: {error}. Start one with `dask scheduler`, or check the "
                "address."
            ) from error
