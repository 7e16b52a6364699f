"""Free space, looked at before a run writes anything."""

import os
import shutil
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import destination_errors
from ilsvrc_tfds.storage.stand_ins import url_of
from ilsvrc_tfds.terminal.units import in_bytes

# For metadata, receipts, and the file system itself.
_ROOM_BESIDE = 64 << 20


def require_space(folder: Path, needed: int, then: str = "Make room or choose another data directory.") -> None:
    """Raises DestinationError if the file system of a folder has less free space than needed.

    Args:
      folder: Folder, which need not exist yet.
      needed: Number of bytes of the shards; 64 MiB are added for metadata.
      then: What to do if there is less.

    >>> require_space(Path("/data"), 1)
    """
    free = free_bytes(folder)
    if free < needed + _ROOM_BESIDE:
        raise DestinationError(
            f"Too little room at {folder}: about {in_bytes(needed + _ROOM_BESIDE)} are needed and "
            f"{in_bytes(free)} are free. {then}"
        )


def room_for_result(folder: Path, needed: int) -> int:
    """Returns the number of bytes that a result needs on this machine: none if its folder stands for one in a bucket.

    >>> room_for_result(Path("/data"), 1)
    1
    """
    return needed if url_of(folder) is None else 0


def is_same_disk(folder: Path, other: Path) -> bool:
    """Returns whether two folders, which need not exist yet, are on one file system.

    >>> is_same_disk(Path("/data/no/such/folder"), Path("/data"))
    True
    """
    first, second = (os.stat(_existing(path)).st_dev for path in (folder, other))
    return first == second


def free_bytes(folder: Path) -> int:
    """Returns the free bytes of the file system of a folder, which need not exist yet.

    >>> free_bytes(Path("/data/no/such/folder")) > 0
    True
    """
    existing = _existing(folder)
    with destination_errors(existing):
        return shutil.disk_usage(existing).free


def _existing(folder: Path) -> Path:
    # `exists` is False for a path that may not be seen.
    return next(path for path in (real_path(folder), *real_path(folder).parents) if os.path.exists(path))
