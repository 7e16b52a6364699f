"""The place of a spool: it must not lie in what is made with it."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import require_local
from ilsvrc_tfds.storage.staging import staging_folder


def require_outside(scratch: str | os.PathLike | None, destinations: Iterable[Path]) -> None:
    """Raises DestinationError if the folder for a spool is a destination, or in one: that is replaced as a whole.

    >>> require_outside("/data/scratch", [Path("/data/tfds")])
    >>> require_outside("/data/tfds/scratch", [Path("/data/tfds")])
    Traceback (most recent call last):
    ilsvrc_tfds.errors.DestinationError: --scratch /data/tfds/scratch is in /data/tfds, which is written as a whole. ...

    Args:
      scratch: Folder for the spool; None puts it beside the destination.
      destinations: Folders that are to be written. They need not exist.
    """
    if scratch is None:
        return
    require_local(scratch)
    real = real_path(scratch)
    for destination in destinations:
        own = real_path(destination)
        for folder in (own, staging_folder(own)):
            if any(_is_same(place, folder) for place in (real, *real.parents)):
                raise DestinationError(
                    f"--scratch {os.fspath(scratch)} is in {folder}, which is written as a whole. Choose a folder "
                    "outside of it, or leave the option out."
                )


def _is_same(path: Path, folder: Path) -> bool:
    """Returns whether two paths without links are the same folder, which may have several names, as in other mounts."""
    with contextlib.suppress(OSError):
        return path == folder or os.path.samefile(path, folder)
    return False
