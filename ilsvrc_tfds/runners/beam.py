"""Run jobs as elements of an Apache Beam pipeline, on whatever runner Beam has."""

import contextlib
import os
import pickle
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilsvrc_tfds.errors import IlsvrcError, InterruptedRun, OptionError
from ilsvrc_tfds.runners.runner import Job, Result
from ilsvrc_tfds.storage.files import destination_errors, write_whole

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineRunner

_PREFIX = "beam-"
# Beam's own default would first download a binary; this is its portable runner in Python, with a process for each core.
_LOCAL = "--direct_running_mode=multi_processing --direct_num_workers={workers}"


class BeamRunner:
    """A pipeline `Create(numbers) | Reshuffle | Map(job)`; the jobs and their results are files in a shared folder.

    A runner of Beam's hands nothing back to the driver but whether it has succeeded, and takes no graph of 100 MB. So the
    element is a job's number; the job is read from the folder, the result written into it, whole or not at all: an element
    that Beam tries again does no harm.
    """

    def __init__(
        self,
        options: "str | PipelineOptions | None" = None,
        *,
        runner: "str | PipelineRunner | None" = None,
        workers: int | None = None,
    ):
        """Constructs the engine; raises OptionError where Beam is not installed, or does not know the runner.

        Args:
          options: Beam's, as words (`"--runner=FlinkRunner --parallelism=64"`) or as PipelineOptions; all cores of this
            machine where there are none.
          runner: Beam's, its name or itself; that of the options, else the FnApiRunner, where None.
          workers: processes of this machine where there are neither options nor runner; all cores where None.
        """
        try:
            from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
            from apache_beam.runners.portability.fn_api_runner import FnApiRunner
            from apache_beam.runners.runner import create_runner
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
            runner = runner or self._options.view_as(StandardOptions).runner or FnApiRunner()
            self._runner = create_runner(runner) if isinstance(runner, str) else runner
        except (ValueError, ImportError, AttributeError) as error:
            raise OptionError(f"Beam's options cannot be used: {error}") from error

    def __enter__(self) -> "BeamRunner":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Does nothing: a pipeline is at work within `run` alone, and cancelled where that is interrupted."""

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in their order, after the pipeline has ended.

        Args:
          function: of a module that the workers can import.
          jobs: to be pickled.
          shared: folder that all workers see under this path.

        Raises:
          IlsvrcError: of a job; jobs that have not begun by then are left out.
          InterruptedRun: the pipeline failed or was cancelled.
        """
        for left_over in Path(shared).glob(f"{_PREFIX}*"):  # by a driver that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(shared, _PREFIX + secrets.token_hex(4))
        with destination_errors(folder):
            folder.mkdir()
        try:
            numbers = range(_write_jobs(function, jobs, folder))
            self._carry_out(numbers, str(folder))
            for number in numbers:
                yield _result(folder, number)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _carry_out(self, numbers: range, folder: str) -> None:
        import apache_beam as beam

        pipeline = beam.Pipeline(runner=self._runner, options=self._options)
        pipeline | beam.Create(numbers) | beam.Reshuffle() | beam.Map(_do_job, folder)
        running = pipeline.run()
        try:
            state = running.wait_until_finish()
        except BaseException:
            with contextlib.suppress(Exception):  # not every runner can, and none when it has ended
                running.cancel()
            raise
        if state not in (None, beam.runners.runner.PipelineState.DONE):
            raise InterruptedRun(
                f"The Beam pipeline ended as {state}; the runner's own log says why. What is finished is kept; run the "
                "same command again to continue."
            )


def _write_jobs(function: Callable[[Job], Any], jobs: Iterable[Job], folder: Path) -> int:
    """Writes each job with its function into a file, and returns how many there are."""
    count = 0
    for count, job in enumerate(jobs, 1):
        write_whole(_job_path(folder, count - 1), pickle.dumps((function, job)), sync=False)
    return count


def _do_job(number: int, folder: str) -> None:
    """Carries out one job in a worker, unless another one has failed; what a user can mend becomes the result."""
    failure = _failure_path(folder)
    if failure.exists():
        return
    function, job = pickle.loads(_job_path(folder, number).read_bytes())
    try:
        result = function(job)
    except IlsvrcError as error:
        write_whole(failure, pickle.dumps(error), sync=False)
    else:
        write_whole(_result_path(folder, number), pickle.dumps(result), sync=False)


def _result(folder: Path, number: int) -> Any:
    """Returns the result of a job, or raises the error of the one that failed."""
    try:
        if _failure_path(folder).exists():
            raise pickle.loads(_failure_path(folder).read_bytes())
        return pickle.loads(_result_path(folder, number).read_bytes())
    except FileNotFoundError as error:
        raise InterruptedRun(
            f"The Beam pipeline has ended, but has no result of job {number}: do all its workers see {folder.parent}?"
        ) from error


def _job_path(folder: str | Path, number: int) -> Path:
    return Path(folder, f"{number:06d}.job")


def _result_path(folder: str | Path, number: int) -> Path:
    return Path(folder, f"{number:06d}.result")


def _failure_path(folder: str | Path) -> Path:
    return Path(folder, "failure")
