"""Runs jobs as elements of an Apache Beam pipeline, on any of Beam's runners."""

import contextlib
import os
import pickle
import secrets
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ilsvrc_tfds.errors import IlsvrcError, InterruptedRun, OptionError
from ilsvrc_tfds.runners.runner import Job, Result
from ilsvrc_tfds.storage.shared import make_shared, read_shared, remove_shared, write_shared
from ilsvrc_tfds.terminal.noise import log_warnings_dropped

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineRunner

_PREFIX = "beam-"
_FAILURE = "failure"
# Beam's own default would first download a binary. This is its portable runner in Python, with one process for each
# core.
_LOCAL = "--direct_running_mode=multi_processing --direct_num_workers={workers}"


class BeamRunner:
    """An engine that runs jobs as a Beam pipeline, `Create(numbers) | Reshuffle | Map(job)`.

    Beam's runners return nothing to the driver except the final state, and reject pipeline graphs of 100 MB. So an
    element is only the number of a job. The worker reads the job from a file in the shared folder and writes the result
    to another, atomically, so that Beam may retry an element.

    >>> import ilsvrc_tfds
    >>> with ilsvrc_tfds.BeamRunner("--direct_running_mode=in_memory") as runner:
    ...     list(runner.run(len, [b"one", b"three"], "/data/"))
    [3, 5]
    """

    def __init__(
        self,
        options: "str | PipelineOptions | None" = None,
        *,
        runner: "str | PipelineRunner | None" = None,
        workers: int | None = None,
    ):
        """Constructs the engine.

        Args:
          options: Options of Beam, as a command line (`"--runner=FlinkRunner --parallelism=64"`) or as PipelineOptions.
            If None, the pipeline runs on all cores of this machine.
          runner: Beam runner, or its name. If None, the runner that `options` name, or else Beam's FnApiRunner.
          workers: Number of local processes if neither `options` nor `runner` is given. If None, one for each core.

        Raises OptionError if Beam is not installed, or does not know the runner.
        """
        try:
            with log_warnings_dropped():  # one says that a package for BigQuery is missing
                from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
                from apache_beam.runners.runner import create_runner

            from ilsvrc_tfds.runners.beam_worker import quiet_runner
        except ImportError as error:
            raise OptionError(
                f'The engine beam needs Apache Beam ({error}). Install it: python -m pip install ".[beam]"'
            ) from error
        try:
            if isinstance(options, PipelineOptions):
                self._options = options
            else:
                words = options or ("" if runner else _LOCAL.format(workers=workers or 0))
                self._options = PipelineOptions(shlex.split(words))
            runner = runner or self._options.view_as(StandardOptions).runner or quiet_runner()
            self._runner = create_runner(runner) if isinstance(runner, str) else runner
        except (ValueError, ImportError, AttributeError) as error:
            raise OptionError(f"Beam's options cannot be used: {error}") from error

    def __enter__(self) -> "BeamRunner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Does nothing, because a pipeline exists only during `run`, which cancels it if it is interrupted."""

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in the order of the jobs, after the pipeline has ended.

        Args:
          function: Function of a module that the workers can import.
          jobs: Jobs that can be pickled.
          shared: Folder that all workers see under this path, or its URL in a bucket.

        Raises:
          IlsvrcError: A job failed with this error. Jobs that had not begun by then are skipped.
          InterruptedRun: The pipeline failed or was cancelled.
        """
        folder = make_shared(shared, _PREFIX, secrets.token_hex(4))
        try:
            numbers = range(_write_jobs(function, jobs, folder))
            self._run_pipeline(numbers, folder)
            _raise_failure(folder)
            for number in numbers:
                yield _result(folder, number)
        finally:
            remove_shared(folder)

    def _run_pipeline(self, numbers: range, folder: str) -> None:
        import apache_beam as beam

        pipeline = beam.Pipeline(runner=self._runner, options=self._options)
        pipeline | beam.Create(numbers) | beam.Reshuffle() | beam.Map(_do_job, folder)
        running = pipeline.run()
        try:
            state = running.wait_until_finish()
        except BaseException:
            with contextlib.suppress(Exception):  # some runners cannot cancel, and none can after its end
                running.cancel()
            raise
        if state not in (None, beam.runners.runner.PipelineState.DONE):
            raise InterruptedRun(
                f"The Beam pipeline ended as {state}; see the runner's own log for the reason. What is finished is "
                "kept. Run the same command again to continue."
            )


def _write_jobs(function: Callable[[Job], Any], jobs: Iterable[Job], folder: str) -> int:
    """Writes each job with its function to a file, and returns the number of jobs."""
    names: list[str] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for job in jobs:
            names.append(_job_name(len(names)))
            yield names[-1], pickle.dumps((function, job))

    write_shared(folder, files())
    return len(names)


def _do_job(number: int, folder: str) -> None:
    """Runs one job in a worker, unless another job has failed. Writes an IlsvrcError to a file, to stop the others."""
    if read_shared(folder, _FAILURE) is not None:
        return
    data = read_shared(folder, _job_name(number))
    if data is None:
        raise FileNotFoundError(f"{folder}/{_job_name(number)}")
    function, job = pickle.loads(data)
    try:
        result = function(job)
    except IlsvrcError as error:
        write_shared(folder, [(_FAILURE, pickle.dumps(error))])
    else:
        write_shared(folder, [(_result_name(number), pickle.dumps(result))])


def _raise_failure(folder: str) -> None:
    """Raises the error of the job that failed, if one did."""
    if (failure := read_shared(folder, _FAILURE)) is not None:
        raise pickle.loads(failure)


def _result(folder: str, number: int) -> Any:
    """Returns the result of a job."""
    data = read_shared(folder, _result_name(number))
    if data is None:
        raise InterruptedRun(
            f"The Beam pipeline has ended without a result of job {number}. Check that all its workers see "
            f"{folder.rpartition('/')[0]}."
        )
    return pickle.loads(data)


def _job_name(number: int) -> str:
    return f"{number:06d}.job"


def _result_name(number: int) -> str:
    return f"{number:06d}.result"
