"""The images of one shard as files: a worker's job."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import ImageError, unwritable
from ilsvrc_tfds.sources.members import Members
from ilsvrc_tfds.sources.reader import Reader

# What file systems give out; 1.3 million images have half of it too much, each.
_BLOCK_BYTES = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class FilesTask:
    """The files of one shard.

    Attributes:
      members: the images, in the order of the shard.
      paths: of the files below `tree`, S of shape (n,).
      tree: folder.
      receipt: a file that is made when all are written.
    """

    members: Members
    paths: np.ndarray
    tree: str
    receipt: str

    @property
    def room(self) -> int:
        """Bytes that the files take on disk, about."""
        return int((-(-self.members.size // _BLOCK_BYTES) * _BLOCK_BYTES).sum())

    def targets(self) -> list[str]:
        """Returns the paths of the files."""
        return [os.path.join(self.tree, path.decode("ascii")) for path in self.paths.tolist()]


def write_files(task: FilesTask) -> int:
    """Returns the number of files of a shard once all of them are there. Raises SourceError, ImageError, DestinationError."""
    targets = task.targets()
    if not _is_finished(task, targets):
        try:
            for folder in {os.path.dirname(target) for target in targets}:
                os.makedirs(folder, exist_ok=True)
            _write(task.members, targets)
            Path(task.receipt).touch()
        except OSError as error:
            then = "What is finished is kept: run the same command again to continue."
            raise unwritable(error.filename or task.tree, error, then=then) from error
    return len(targets)


def _is_finished(task: FilesTask, targets: list[str]) -> bool:
    """Returns whether the files have been written and have the images' bytes: a machine that lost power may leave zeros."""
    if not os.path.exists(task.receipt):
        return False
    try:
        with Reader() as reader:
            return all(
                Path(target).read_bytes() == reader.read(task.members, row) for row, target in enumerate(targets)
            )
    except (ImageError, OSError):
        return False


def _write(members: Members, targets: list[str]) -> None:
    with Reader() as reader:
        for row, target in enumerate(targets):
            try:
                data = reader.read(members, row)
            except ImageError as error:
                raise ImageError(f"{members.place(row)}: {error}.") from error
            with open(target, "wb") as file:
                file.write(data)
        reader.require_unchanged()
