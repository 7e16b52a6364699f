"""The place of a spool: it must not lie in what is made with it, and nothing of it is left beside a finished result."""

import contextlib
import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import destination_errors, require_local
from ilsvrc_tfds.storage.staging import claim, receipt_path, staged_bytes, staging_folder

_log = logging.getLogger(__name__)


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

    They are beside the result, in the folder for spools that is named now, and in those that were named before. A spool
    that is newer than the result, or of results that are not all finished, is kept, and a warning names it: it is that
    of a run that was killed while it made or replaced them. One that another run holds is left alone.

    >>> discard_finished(Spool(Path("/data/tfds")), [])

    Args:
      spool: Place of the spool.
      marks: Files of the result, or of all results, that are written last.
    """
    # Another run may hold the spool, or the result is finished and the disk is read-only.
    with contextlib.suppress(DestinationError):
        if not any(_is_left(own.path, marks) for own in spool.everywhere()):
            spool.forget_places()


def _is_left(path: Path, marks: Collection[Path]) -> bool:
    """Removes a spool if nothing needs it, or else warns of it. Returns whether it is still there."""
    folder = staging_folder(real_path(path))
    with destination_errors(folder):
        if not folder.exists():
            return False
        with claim(path) as claimed:
            receipts = [os.stat(receipt).st_mtime_ns for receipt in folder.glob(receipt_path("*/*"))]
            if max(receipts, default=0) <= _finished(marks):
                claimed.discard()
                return False
            _log.warning(
                "%s (%.1f GB) is left of a run that was stopped. The same command would continue with it: delete it if "
                "you will not run that again.",
                *(folder, staged_bytes(path) / 1e9),
            )
    return True


def _finished(marks: Collection[Path]) -> int:
    """Returns the time in ns since which all results are finished; 0 if one is not."""
    return min((os.stat(mark).st_mtime_ns for mark in marks), default=0) if all(map(os.path.exists, marks)) else 0


def _is_same(path: Path, folder: Path) -> bool:
    """Returns whether two paths without links are the same folder, which may have several names, as in other mounts."""
    with contextlib.suppress(OSError):
        return path == folder or os.path.samefile(path, folder)
    return False
