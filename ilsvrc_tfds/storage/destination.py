"""Where a destination really is, whether it can be replaced at all, and what killed runs have left beside it."""

import os
import re
import shutil
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage.files import destination_errors

_MOUNTS = "/proc/self/mountinfo"
# How the kernel writes blanks, tabs, line feeds and backslashes there.
_OCTAL = re.compile(rb"\\([0-7]{3})")


def real_path(path: str | os.PathLike) -> Path:
    """Returns the absolute path of a destination without links: what it leads to is made and replaced, and the link stays.

    Raises DestinationError for links that lead in a circle.
    """
    with destination_errors(path):
        try:
            return Path(path).expanduser().resolve()
        except RuntimeError as error:  # what Python before 3.13 says of a circle, or of a home that is not known
            raise DestinationError(
                f"{os.fspath(path)} cannot be written: {error}. Check the links in the path."
            ) from error


def require_replaceable(destination: Path) -> None:
    """Raises DestinationError for a mount point: nothing can take its place, and what is beside it is on another disk."""
    real = real_path(destination)
    if is_mount_point(real):
        raise DestinationError(
            f"{destination} is a mount point, and a folder that is replaced as a whole cannot be one. "
            f"Name a folder inside it, as {real / 'ilsvrc2012'}."
        )


def is_mount_point(path: Path) -> bool:
    """Returns whether something is mounted at a path without links; a folder of the same disk (`mount --bind`) counts as well."""
    try:
        with open(_MOUNTS, "rb") as file:
            mounts = {_OCTAL.sub(_byte, line.split(b" ")[4]) for line in file}
    except (OSError, IndexError):  # not Linux
        return os.path.ismount(path)
    return os.fsencode(path) in mounts


def remove_incomplete(destination: Path) -> None:
    """Removes the folders in which killed runs were making a destination; no others, whatever their names have in common.

    They are called `incomplete.` and six characters, a line below and the name: `0-9A-Z` are TFDS's, `0-9a-f` this package's.
    `incomplete.abc123_a_b` is one of `a_b`, and not of `b`.
    """
    own = re.compile(rf"incomplete\.(?:[0-9A-Z]{{6}}|[0-9a-f]{{6}})_{re.escape(destination.name)}")
    try:
        names = os.listdir(destination.parent)
    except (FileNotFoundError, PermissionError):  # a folder that may be written into need not be one that may be listed
        return
    for name in filter(own.fullmatch, names):
        shutil.rmtree(destination.parent / name, ignore_errors=True)


def is_folder(path: Path) -> bool:
    """Returns whether a path is that of a folder, and not of a link to one."""
    return path.is_dir() and not path.is_symlink()


def remove(path: Path, *, ignore_errors: bool = False) -> None:
    """Removes a folder with all that is in it, or a file, or a link and not what it leads to."""
    if is_folder(path):
        shutil.rmtree(path, ignore_errors)
    else:
        path.unlink()


def _byte(match: re.Match) -> bytes:
    return bytes([int(match[1], 8)])
