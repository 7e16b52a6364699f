"""The real path of a destination, whether it can be replaced, and the removal of what killed runs left beside it."""

import errno
import os
import re
import shutil
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.storage.files import destination_errors

_MOUNTS = "/proc/self/mountinfo"
# The kernel's notation for blanks, tabs, line feeds and backslashes in that file.
_OCTAL = re.compile(rb"\\([0-7]{3})")


def real_path(path: str | os.PathLike) -> Path:
    """Returns the absolute path of a destination with links resolved: a link's target is replaced, not the link.

    Raises DestinationError for links that lead in a circle.

    >>> real_path("/data/tfds/../tfds/ilsvrc2012")
    PosixPath('/data/tfds/ilsvrc2012')
    """
    with destination_errors(path):
        try:
            real = Path(path).expanduser().resolve()
        except RuntimeError as error:  # from Python before 3.13 for a circle, and for an unknown home folder
            _require_no_circle(Path(path))
            raise DestinationError(
                f"{os.fspath(path)} cannot be written: {error}. Check the links in the path."
            ) from error
        _require_no_circle(real)
        return real


def _require_no_circle(path: Path) -> None:
    """Raises OSError if links lead in a circle, where `resolve` of Python 3.13 leaves them in the path."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def require_replaceable(destination: Path) -> None:
    """Raises DestinationError for a mount point, which cannot be renamed, and whose siblings are on another disk.

    >>> require_replaceable(Path("/data/tfds"))
    """
    real = real_path(destination)
    if is_mount_point(real):
        raise DestinationError(
            f"{destination} is a mount point, which cannot be replaced as a whole. "
            f"Name a folder inside it, such as {real / 'ilsvrc2012'}."
        )


def is_mount_point(path: Path) -> bool:
    """Returns whether something is mounted at a path, including a folder of the same disk (`mount --bind`).

    Args:
      path: Path without links, as `real_path` returns it.

    >>> is_mount_point(Path("/")), is_mount_point(Path("/data/tfds"))
    (True, False)
    """
    try:
        with open(_MOUNTS, "rb") as file:
            mounts = {_OCTAL.sub(_byte, line.split(b" ")[4]) for line in file}
    except (OSError, IndexError):  # not Linux
        return os.path.ismount(path)
    return os.fsencode(path) in mounts


def remove_incomplete(destination: Path) -> None:
    """Removes the folders in which killed runs were writing a destination, and no others.

    Their names are `incomplete.XXXXXX_NAME`, in which the six characters are `0-9A-Z` for TFDS and `0-9a-f` for this
    package. `incomplete.abc123_a_b` belongs to `a_b`, not to `b`.

    >>> import os
    >>> os.mkdir("/data/incomplete.abc123_run")
    >>> remove_incomplete(Path("/data/run"))
    >>> os.path.exists("/data/incomplete.abc123_run")
    False
    """
    own = re.compile(rf"incomplete\.(?:[0-9A-Z]{{6}}|[0-9a-f]{{6}})_{re.escape(destination.name)}")
    try:
        names = os.listdir(destination.parent)
    except (FileNotFoundError, PermissionError):  # a folder can be writable without being listable
        return
    for name in filter(own.fullmatch, names):
        shutil.rmtree(destination.parent / name, ignore_errors=True)


def is_folder(path: Path) -> bool:
    """Returns whether a path is a folder, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def remove(path: Path, *, ignore_errors: bool = False) -> None:
    """Removes a file, a folder with its contents, or a link but not its target."""
    if is_folder(path):
        shutil.rmtree(path, ignore_errors)
    else:
        path.unlink()


def _byte(match: re.Match) -> bytes:
    return bytes([int(match[1], 8)])
