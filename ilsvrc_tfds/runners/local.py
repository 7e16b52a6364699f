"""Run jobs in worker processes of this machine."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from loky import ProcessPoolExecutor, cpu_count
from loky.backend import get_context
from loky.process_executor import TerminatedWorkerError

from ilsvrc_tfds.errors import InterruptedRun, OptionError
from ilsvrc_tfds.interrupts import INTERRUPTS, interrupts_held, start_thread
from ilsvrc_tfds.runners.open_files import affordable
from ilsvrc_tfds.runners.runner import Job, Result

# Set in worker processes: see the package's __init__.
WORKER_VARIABLE = "ILSVRC_TFDS_WORKER"

# Jobs handed out beyond those being worked on; a job is some 100 KB.
_WAITING_PER_WORKER = 3
_SECONDS_BETWEEN_LOOKS = 0.2


class LocalRunner:
    """Worker processes on this machine; one worker means this process itself. A context manager.

    loky's processes do not import the caller's `__main__` (multiprocessing's `spawn` does): a script needs no
    `if __name__ == "__main__"`, and a caller that has loaded TensorFlow does not make every worker load it.
    """

    def __init__(self, workers: int | None = None):
        """Raises the limit of open files if that is too low for so many workers; has fewer, and says so, if it cannot.

        Args:
          workers: Number of processes; None for one on each core.

        Raises OptionError for a number below 1.
        """
        workers = cpu_count() if workers is None else workers
        if workers < 1:
            raise OptionError(f"workers must be at least 1, got {workers}.")
        self.workers = affordable(workers)
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "LocalRunner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the worker processes, whatever they are doing; `run` starts new ones."""
        if self._executor is not None:
            # All results that anybody waits for are in; a worker's own end takes 0.1 s longer.
            self._executor.shutdown(kill_workers=True)
            self._executor = None

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike | None = None
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in their order; needs no shared folder.

        Raises what a job raises, as soon as it is that job's turn; InterruptedRun where a worker died.
        """
        if self.workers == 1:
            return map(function, jobs)
        return self._run_in_processes(function, iter(jobs))

    def _run_in_processes(self, function: Callable[[Job], Result], jobs: Iterator[Job]) -> Iterator[Result]:
        pending: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                pending.append(self._submitted(function, job))
                if len(pending) >= self.workers * (1 + _WAITING_PER_WORKER):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except TerminatedWorkerError as error:
            raise InterruptedRun(
                "A worker process died: killed, or out of memory. What is finished is kept; "
                "run the same command again to continue, with fewer workers if memory is short."
            ) from error
        # Pending jobs are not cancelled after an error: loky stumbles over cancelled ones when it kills the workers.

    def _submitted(self, function: Callable[[Job], Result], job: Job) -> Future[Result]:
        """Returns the future of a job; starts the worker processes that are missing. Raises OptionError if that fails."""
        try:
            with interrupts_held():
                if self._executor is None:
                    self._executor = ProcessPoolExecutor(
                        self.workers,
                        context=get_context("loky"),
                        initializer=_set_up_worker,
                        initargs=(os.getpid(),),
                        env={WORKER_VARIABLE: "1"},
                    )
                return self._executor.submit(function, job)
        except OSError as error:
            self._kill_started()
            raise OptionError(
                f"{self.workers} worker processes cannot be started: {error.strerror or error}. Use fewer (`--workers`), or raise "
                "the limit of open files (`ulimit -n`) or of processes (`ulimit -u`)."
            ) from error

    def _kill_started(self) -> None:
        """Ends the processes of a pool that could not be started as a whole: loky has nobody yet that would, and Python waits."""
        if self._executor is not None:
            for process in list(self._executor._processes.values()):
                os.kill(process.pid, signal.SIGKILL)  # they ignore SIGTERM, which is loky's way
                process.join()
            self.stop()


def _set_up_worker(parent: int) -> None:
    """Leaves Ctrl-C and SIGTERM to the driver, and ends this worker when that is killed; it would wait for jobs for ever."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    start_thread(watch)
