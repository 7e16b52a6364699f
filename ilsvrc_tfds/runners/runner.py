"""What the rest of the package expects of an engine."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Self = TypeVar("Self")


class Runner(Protocol):
    """An engine that runs independent jobs: a context manager that calls `stop`, after which it may be used again.

    >>> from ilsvrc_tfds.runners import LocalRunner
    >>> with LocalRunner(workers=1) as runner:
    ...     list(runner.run(len, [b"one", b"three"], "/shared/folder"))
    [3, 5]
    """

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], shared: str | os.PathLike
    ) -> Iterator[Result]:
        """Yields `function(job)` for each job, in the order of the jobs.

        Args:
          function: Function of a module that the workers can import.
          jobs: Jobs that can be pickled. They are taken as they are needed, if the engine can do that.
          shared: Folder that all workers see under this path, for engines that need one.

        Raises the error of a job if one fails, and InterruptedRun if workers are lost.
        """
        ...

    def stop(self) -> None:
        """Drops the jobs that have not begun, and ends the workers that this engine has started."""
        ...

    def __enter__(self: Self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
