"""Runs jobs in worker processes of this machine."""

import contextlib
import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from ilsvrc_tfds.errors import InterruptedRun, OptionError, require_integers
from ilsvrc_tfds.interrupts import INTERRUPTS, interrupts_held, start_thread
from ilsvrc_tfds.runners.open_files import affordable
from ilsvrc_tfds.runners.runner import Job, Result

if TYPE_CHECKING:
    # Loaded by the first runner only: with psutil it takes a tenth of the time of `import ilsvrc_tfds`.
    from loky import ProcessPoolExecutor
    from loky.backend.queues import Queue

# Set in worker processes, where the package's __init__ does not load the builder.
WORKER_VARIABLE = "ILSVRC_TFDS_WORKER"

# Jobs submitted ahead for each worker, beyond the one it runs. A job is about 100 KB.
_WAITING_PER_WORKER = 3
_SECONDS_BETWEEN_LOOKS = 0.2
# If short jobs take longer than this, those that come after them are worth the start of workers, which takes 0.3 s.
_SECONDS_ALONE = 0.02
# And so many of them are expected to take longer.
_MANY_JOBS = 100
# It takes milliseconds, unless a child that the caller forked keeps the pipe open.
_SECONDS_FOR_FEEDER = 1
# Settings of glibc in a worker: it keeps the memory of an image for the next one. It would return some to the system
# and take it back, page by page, for 3 % of the time of raw256.
_MEMORY_KEPT = {"MALLOC_TRIM_THRESHOLD_": f"{64 << 20}", "MALLOC_MMAP_THRESHOLD_": f"{32 << 20}"}
# NumPy's OpenBLAS would start a thread for each core while it is loaded, for a third of the start of a worker.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1"}


class LocalRunner:
    """An engine that runs jobs in worker processes of this machine, or in this process if there is one worker.

    The processes are loky's. Unlike those of multiprocessing's `spawn` they do not import the caller's `__main__`: a
    script needs no `if __name__ == "__main__"`, and the workers do not load TensorFlow because the caller has.

    >>> with LocalRunner(workers=2) as runner:
    ...     list(runner.run(len, [b"one", b"three"]))
    [3, 5]
    """

    def __init__(self, workers: int | None = None):
        """Constructs the engine; the processes start with the first job.

        Args:
          workers: Number of processes. If None, one for each core, or none for work that is done before they would have
            started. If the limit of open files is too low for them and cannot be raised, the engine uses fewer and logs
            a warning.

        Raises OptionError for a number below 1.
        """
        self.may_use_fewer = workers is None
        workers = num_cores() if workers is None else workers
        require_integers(workers=workers)
        if workers < 1:
            raise OptionError(f"workers must be at least 1, got {workers}.")
        self.workers = affordable(workers)
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "LocalRunner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kills the worker processes, even if they are busy. `run` starts new ones."""
        if self._executor is not None:
            queue = self._executor._call_queue
            # No result is awaited any more, and letting the workers exit by themselves takes 0.1 s longer.
            self._executor.shutdown(kill_workers=True)
            self._executor = None
            _end_feeder(queue)

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike | None = None
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in the order of the jobs.

        Args:
          function: Function of any module, or of the caller's script.
          jobs: Jobs that can be pickled. They are taken as they are needed.
          shared: Shared folder, which is not used: the results come through pipes.

        Raises the error of a job when its result is due, and InterruptedRun if a worker died.
        """
        if self.workers == 1:
            return map(function, jobs)
        return self._run_in_processes(function, iter(jobs))

    def run_short(self, function: Callable[[Job], Result], jobs: Sequence[Job], quick: bool = True) -> Iterator[Result]:
        """Yields what `run` yields, for jobs that are short by themselves and come before long ones.

        This process does some of them, so that it need not wait until worker processes have started. If there are many,
        it also does those that wait for a worker, which then does them in vain. If a number of workers was named, this
        is `run`.

        >>> with LocalRunner() as runner:
        ...     list(runner.run_short(len, [b"one", b"three"]))
        [3, 5]

        Args:
          function: Function of any module, or of the caller's script. It may run twice with a job.
          jobs: Jobs that can be pickled.
          quick: Whether all jobs together may take less time than the start of workers. Then that is put off a little.

        Raises what `run` raises.
        """
        if self.workers == 1 or not self.may_use_fewer or self.has_started():
            return self.run(function, jobs)
        return self._run_helped(function, iter(jobs), quick, many=len(jobs) >= _MANY_JOBS)

    def _run_helped(
        self, function: Callable[[Job], Result], jobs: Iterator[Job], quick: bool, many: bool
    ) -> Iterator[Result]:
        end = time.monotonic() + (_SECONDS_ALONE if quick and not many else 0)
        while time.monotonic() < end:
            for job in itertools.islice(jobs, 1):
                yield function(job)
                break
            else:
                return
        yield from self._run_in_processes(function, jobs, helps=True, repeats=many)

    def has_started(self) -> bool:
        """Returns whether the worker processes have been started.

        >>> LocalRunner().has_started()
        False
        """
        return self._executor is not None

    def _run_in_processes(
        self, function: Callable[[Job], Result], jobs: Iterator[Job], helps: bool = False, repeats: bool = False
    ) -> Iterator[Result]:
        """Yields the result of each job, in order. If this process `helps`, it does so until a worker is ready.

        If it `repeats`, it does not wait for the jobs that it has handed out by then, but does them once more itself.
        """
        from loky.process_executor import TerminatedWorkerError

        pending: deque[tuple[Job, Future[Result]]] = deque()
        handed_out: list[Future[Result]] = []  # while this process helps; one that is done tells that workers are ready
        most = self.workers * (1 + _WAITING_PER_WORKER)
        try:
            for job in jobs:
                helps = helps and not any(future.done() for future in handed_out)
                here = helps and len(pending) >= most
                future = _done_here(function, job) if here else self._submitted(function, job)
                handed_out += [future] if helps and not here else []
                pending.append((job, future))
                if not helps and len(pending) >= most:
                    yield pending.popleft()[1].result()
            while pending:
                job, future = pending.popleft()
                helps = helps and repeats and not any(future.done() for future in handed_out)
                yield future.result() if future.done() or not helps else function(job)
        except TerminatedWorkerError as error:
            raise InterruptedRun(
                "A worker process died: it was killed, or memory ran out. Finished work is kept. "
                "Run the same command again to continue, with fewer workers if memory is short."
            ) from error
        # Pending jobs are not cancelled after an error, because loky fails on cancelled jobs when it kills the workers.

    def _submitted(self, function: Callable[[Job], Result], job: Job) -> Future[Result]:
        """Submits a job and returns its future. Starts missing worker processes; raises OptionError if that fails."""
        from loky import ProcessPoolExecutor
        from loky.backend import get_context

        try:
            with interrupts_held():
                if self._executor is None:
                    resource_tracker.ensure_running()  # which unblocks the signals, in Python 3.11
                    _let_workers_start_first()
                    self._executor = ProcessPoolExecutor(
                        self.workers,
                        context=get_context("loky"),
                        initializer=_set_up_worker,
                        initargs=(os.getpid(),),
                        env={WORKER_VARIABLE: "1", **_MEMORY_KEPT, **_NO_THREADS},
                    )
                with interrupts_held():  # so that the workers inherit the mask, and not die of Ctrl-C while they start
                    return self._executor.submit(function, job)
        except OSError as error:
            self._kill_started()
            raise OptionError(
                f"{self.workers} worker processes cannot be started: {error.strerror or error}. Use fewer "
                "(`--workers`), or raise the limit of open files (`ulimit -n`) or of processes (`ulimit -u`)."
            ) from error

    def _kill_started(self) -> None:
        """Kills the processes of a pool that started only in part, which loky does not do."""
        if self._executor is not None:
            for process in list(self._executor._processes.values()):
                os.kill(process.pid, signal.SIGKILL)  # not SIGTERM as loky does, because they ignore it
                process.join()
            self.stop()


def num_cores() -> int:
    """Returns the number of cores that this process may use, within the limits of its container.

    >>> 1 <= num_cores() <= os.cpu_count()
    True
    """
    from loky import cpu_count

    return cpu_count()


def _let_workers_start_first() -> None:
    """Starts the processes that clean up after this one, and lets them run only while a core is idle (Linux).

    They take as long to start as a worker does, and are needed only when this process has died.
    """
    from loky.backend import resource_tracker as of_loky

    of_loky.ensure_running()
    if hasattr(os, "SCHED_IDLE"):
        for tracker in (resource_tracker._resource_tracker, of_loky._resource_tracker):
            pid: int | None = getattr(tracker, "_pid", None)
            with contextlib.suppress(OSError):  # not allowed here
                if pid is not None:
                    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


def _end_feeder(queue: "Queue") -> None:
    """Waits for the thread that writes jobs to the workers, which loky's shutdown does not do.

    If the thread is the last to hold the queue, it unlinks the queue's semaphores and then unregisters them. A process
    that ended in between printed a warning of leaked semaphores: 1 of 150 short scripts did.
    """
    queue._reader.close()  # ends the write of a job that no worker reads any more
    if queue._thread is not None:
        queue._thread.join(_SECONDS_FOR_FEEDER)


def _done_here(function: Callable[[Job], Result], job: Job) -> "Future[Result]":
    """Returns the future of a job that this process has done. Its error is raised when its result is due."""
    future: Future[Result] = Future()
    try:
        future.set_result(function(job))
    except Exception as error:
        future.set_exception(error)
    return future


def _set_up_worker(parent: int) -> None:
    """Makes a worker ignore Ctrl-C and SIGTERM, which the driver handles, and exit if the driver is killed."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    start_thread(watch)
