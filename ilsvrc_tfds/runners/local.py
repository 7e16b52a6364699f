"""Run jobs in worker processes of this machine."""

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from loky import ProcessPoolExecutor, cpu_count
from loky.backend import get_context
from loky.process_executor import TerminatedWorkerError

from ilsvrc_tfds.errors import InterruptedRun, OptionError, require_whole

# Set in worker processes: see the package's __init__.
WORKER_VARIABLE = "ILSVRC_TFDS_WORKER"

# Jobs handed out beyond those being worked on; a job is some 100 KB.
_WAITING_PER_WORKER = 3
_SECONDS_BETWEEN_LOOKS = 0.2
# A terminal sends the one, a scheduler the other, to all processes at once.
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


class LocalRunner:
    """Worker processes on this machine; one worker means this process itself. A context manager.

    loky's processes do not import the caller's `__main__` (multiprocessing's `spawn` does): a script needs no
    `if __name__ == "__main__"`, and a caller that has loaded TensorFlow does not make every worker load it.
    """

    def __init__(self, workers: int | None = None):
        workers = cpu_count() if workers is None else workers
        require_whole(workers=workers)
        if workers < 1:
            raise OptionError(f"workers must be at least 1, got {workers}.")
        self.workers = workers
        self._executor = None

    def __enter__(self) -> "LocalRunner":
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the worker processes, whatever they are doing; `run` starts new ones."""
        if self._executor is not None:
            # All results that anybody waits for are in; a worker's own end takes 0.1 s longer.
            self._executor.shutdown(kill_workers=True)
            self._executor = None

    def run(self, function: Callable, jobs: Iterable, shared: str | os.PathLike | None = None) -> Iterator:
        """Yields `function(job)` for each job, in their order; needs no shared folder.

        Raises what a job raises, as soon as it is that job's turn; InterruptedRun where a worker died.
        """
        if self.workers == 1:
            return map(function, jobs)
        return self._run_in_processes(function, iter(jobs))

    def _run_in_processes(self, function: Callable, jobs: Iterator) -> Iterator:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers,
                context=get_context("loky"),
                initializer=_set_up_worker,
                initargs=(os.getpid(),),
                env={WORKER_VARIABLE: "1"},
            )
        pending = deque()
        try:
            for job in jobs:
                with interrupts_held():  # processes are started here
                    pending.append(self._executor.submit(function, job))
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


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back until the block ends; in a process that is started meanwhile, until it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _set_up_worker(parent: int) -> None:
    """Leaves Ctrl-C and SIGTERM to the driver, and ends this worker when that is killed; it would wait for jobs for ever."""
    for number in _INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)

    def watch():
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
