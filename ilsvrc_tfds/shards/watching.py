"""Shows how far the shards of a run are, within each shard too."""

import bisect
import collections
import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ilsvrc_tfds.runners import Runner
from ilsvrc_tfds.shards.image_files import FilesTask
from ilsvrc_tfds.shards.plan import SplitPlan
from ilsvrc_tfds.shards.writer import Receipt, ShardTask
from ilsvrc_tfds.storage.growth import Growth
from ilsvrc_tfds.terminal.progress import Progress, progress


class Watch:
    """The progress of a run, by the sizes of its files, so that workers on any machine need not report anything.

    Attributes:
      label: Text that names the run; the name of the split that is being written is added.
      work: Progress that is shown.
    """

    def __init__(self, label: str, work: Progress, growth: Growth, plans: Sequence[SplitPlan]):
        """Begins to watch the shards of some plans."""
        self.label, self.work = label, work
        self._growth = growth
        self._image_bytes = {plan.members.split: plan.num_bytes / max(1, len(plan.order)) for plan in plans}
        self._splits: dict[str, str] = {}
        self._running: collections.deque[str] = collections.deque()

    def waiting(self, tasks: Iterable[ShardTask]) -> Iterator[ShardTask]:
        """Yields tasks, whose files are watched from then on."""
        for task in tasks:
            images = len(task.shard.members)
            self._splits[os.path.basename(task.path)] = task.shard.split
            if not self._growth.expect(task.path, images, images * self._image_bytes[task.shard.split]):
                self.work.already(images)
            self._running.append(task.path)
            yield task

    def keep(self, tasks: Iterable[ShardTask]) -> None:
        """Adds the images of tasks that an earlier run finished, and whose files are not watched."""
        images = sum(len(task.shard.members) for task in tasks)
        self._growth.add(images)
        self.work.already(images)

    def finish(self, receipt: Receipt) -> None:
        """Adds the next file, in the order of the tasks, that is finished."""
        self._growth.finish(self._running.popleft(), receipt.file_bytes)
        self.look(self.work)

    def look(self, work: Progress) -> None:
        """Finds out how far the files are."""
        work.move_to(self._growth.amount())
        if name := self._growth.first():
            work.label = f"{self.label} {self._splits[name]}"


@contextlib.contextmanager
def watched(label: str, plans: Sequence[SplitPlan], folder: str | os.PathLike, runner: Runner) -> Iterator[Watch]:
    """Yields the watch over a run, whose progress is shown, and stops the runner if the block fails.

    Args:
      label: Text that names the run.
      plans: Plans of the splits.
      folder: Folder of the shards.
      runner: Engine that writes them.
    """
    growth = Growth(folder)
    watches: list[Watch] = []
    images = sum(len(plan.order) for plan in plans)
    with stopped(runner), progress(label, images, look=lambda work: _look(watches, work)) as work:
        watches.append(Watch(label, work, growth, plans))
        yield watches[0]


def _look(watches: "Sequence[Watch | FilesWatch]", work: Progress) -> None:
    for watch in watches:  # none yet, if the thread that looks is the first
        watch.look(work)


class _Files(NamedTuple):
    """The files of a `FilesTask`, without the table of its images, which takes more memory."""

    split: str
    tree: str
    paths: np.ndarray
    receipt: str


class FilesWatch:
    """The progress of image files, by the files that exist. A worker writes those of its shard in their order.

    Attributes:
      work: Progress that is shown.
    """

    def __init__(self, work: Progress, tasks: Sequence[_Files]):
        """Begins to watch the files of some tasks; those of which an earlier run finished all are not waited for."""
        self.work = work
        self._left = collections.deque(tasks)
        self._finished = 0
        self._lock = threading.Lock()

    def finish(self, images: int) -> None:
        """Adds the files of the next task, in the order of the tasks, which are finished."""
        with self._lock:
            self._left.popleft()
            self._finished += images
        self.look(self.work)

    def look(self, work: Progress) -> None:
        """Finds out how many files exist."""
        with self._lock:
            found = self._finished
            if self._left:
                work.label = f"unpack {self._left[0].split}"
            for task in self._left:
                if not (written := _written(task)):
                    break  # workers take the tasks in order
                found += written
            work.move_to(max(found, work.finished))


def _written(task: _Files) -> int:
    """Returns how many files of a task exist, which are its first ones."""
    if os.path.exists(task.receipt):
        return len(task.paths)

    def is_missing(path: bytes) -> bool:
        return not os.path.exists(os.path.join(task.tree, path.decode("ascii")))

    return bisect.bisect_left(task.paths, True, key=is_missing)


@contextlib.contextmanager
def watched_files(tasks: Iterable[FilesTask], runner: Runner) -> Iterator[FilesWatch]:
    """Yields the watch over the files of some tasks, as `watched` does for shards."""
    waited = [_Files(task.members.split, task.tree, task.paths, task.receipt) for task in tasks]
    images = sum(len(task.paths) for task in waited)
    done = sum(len(task.paths) for task in waited if os.path.exists(task.receipt))
    watches: list[FilesWatch] = []
    with (
        stopped(runner),
        progress("unpack", images, done=done, look=lambda work: _look(watches, work)) as work,
    ):
        watches.append(FilesWatch(work, waited))
        yield watches[0]


@contextlib.contextmanager
def stopped(runner: Runner) -> Iterator[None]:
    """Stops the runner if the block fails.

    It must stop before the claim on the folder ends, because after that another run may write there.
    """
    try:
        yield
    except BaseException:
        runner.stop()
        raise
