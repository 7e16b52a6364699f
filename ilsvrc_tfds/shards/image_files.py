"""Writes the images of one shard as files, as a job for a worker."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from ilsvrc_tfds.errors import ImageError, unwritable
from ilsvrc_tfds.sources.members import Members
from ilsvrc_tfds.sources.reader import Reader

# The unit in which file systems allocate space. On average each of 1.3 million files wastes half of it.
_BLOCK_BYTES = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class FilesTask:
    """The job of writing the files of one shard.

    Attributes:
      members: Images, in the order of the shard.
      paths: Paths of the files relative to `tree`, S of shape (n,).
      tree: Folder that all files are written into.
      receipt: Path of an empty file that is created once all files are written.
    """

    members: Members
    paths: np.ndarray
    tree: str
    receipt: str

    @property
    def room(self) -> int:
        """Approximate number of bytes that the files take on disk."""
        return int((-(-self.members.size // _BLOCK_BYTES) * _BLOCK_BYTES).sum())

    def targets(self) -> list[str]:
        """Returns the paths of the files."""
        return [os.path.join(self.tree, path.decode("ascii")) for path in self.paths.tolist()]


def write_files(task: FilesTask) -> int:
    """Writes the files of a shard, unless they are already there and right, and returns their number.

    >>> from ilsvrc_tfds.shards.image_folders import as_files
    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> write_files(FilesTask(val, as_files(val, "").paths(), tree="/data/files", receipt="/data/val-is-written"))
    6

    Raises:
      SourceError: An image cannot be read, or is not the one that was indexed.
      ImageError: An image has no bytes.
      DestinationError: A file cannot be written.
    """
    targets = task.targets()
    if not _is_finished(task, targets):
        try:
            for folder in {os.path.dirname(target) for target in targets}:
                os.makedirs(folder, exist_ok=True)
            _write(task.members, targets)
            Path(task.receipt).touch()
        except OSError as error:
            then = "Finished work is kept: run the same command again to continue."
            raise unwritable(error.filename or task.tree, error, then=then) from error
    return len(targets)


def _is_finished(task: FilesTask, targets: list[str]) -> bool:
    """Returns whether the files are written and equal the images. After a power failure they may contain zeros."""
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
