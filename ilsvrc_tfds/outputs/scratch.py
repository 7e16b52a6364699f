"""The place of a spool: it must not lie in what is made with it, and nothing of it is left beside a finished result."""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.sources.spooling import Spool
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import destination_errors, require_local
from ilsvrc_tfds.storage.staging import claim, receipt_path, staging_folder


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


def discard_finished(spool: Spool, marks: Collection[Path]) -> None:
    """Removes the spools of runs that were killed after the result got its name, or before another run has made it.

    They are beside the result, and in the folder for spools that is named now. A spool that is newer than the result is
    kept: it is that of a run that was killed while it replaced the result.

    >>> discard_finished(Spool(Path("/data/tfds")), [])

    Args:
      spool: Place of the spool.
      marks: Files of the result, or of all results, that are written last.
    """
    for path in dict.fromkeys((spool.path, dataclasses.replace(spool, scratch=None).path)):
        folder = staging_folder(real_path(path))
        # Another run may hold the spool, or the result is finished and the disk is read-only.
        with contextlib.suppress(DestinationError), destination_errors(folder):
            if folder.exists():
                _discard(path, folder, marks)


def _discard(path: Path, folder: Path, marks: Collection[Path]) -> None:
    with claim(path) as claimed:
        finished = max((os.stat(mark).st_mtime_ns for mark in marks), default=0)
        if all(os.stat(receipt).st_mtime_ns <= finished for receipt in folder.glob(receipt_path("*/*"))):
            claimed.discard()


def _is_same(path: Path, folder: Path) -> bool:
    """Returns whether two paths without links are the same folder, which may have several names, as in other mounts."""
    with contextlib.suppress(OSError):
        return path == folder or os.path.samefile(path, folder)
    return False
