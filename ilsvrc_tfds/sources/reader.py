"""Read one image's bytes where they lie."""

import errno
import os
import resource
from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import FileIO
from typing import TypeVar

from ilsvrc_tfds.errors import ImageError, SourceError, first_few, unreadable
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members, size_fault
from ilsvrc_tfds.sources.scan import archive_stamp

_Result = TypeVar("_Result")

# Class archives can be 1000 files; the usual limit of a process is 1024 open ones, on some machines 256 or 64.
_OPEN_ARCHIVES, _SHARE_OF_LIMIT = 128, 4

_WAY_ON = 'Damaged images are left out with --on-error skip (on_error="skip").'


class Reader:
    """Reads images, and keeps the archives open that it read last. A context manager, for one thread."""

    def __init__(self) -> None:
        self._archives: OrderedDict[str, FileIO] = OrderedDict()
        self._stamps: dict[str, str] = {}
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        share = _OPEN_ARCHIVES if limit == resource.RLIM_INFINITY else limit // _SHARE_OF_LIMIT
        self._most = max(1, min(_OPEN_ARCHIVES, share))

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *exception: object) -> None:
        self._close_all_but(0)

    def read(self, members: Members, row: int) -> bytes:
        """Returns the bytes of one image.

        Raises:
          SourceError: They are gone or not those that were indexed; the message names the place.
          ImageError: There are none, or too many, by the index; the message does not name the place.
        """
        container = members.containers[members.container[row]]
        offset, size = int(members.offset[row]), int(members.size[row])
        if fault := size_fault(size):
            raise ImageError(f"{fault}. Get it again")
        try:
            if offset == WHOLE_FILE:
                with self._opened(members.place(row)) as file:
                    data = file.read()
            else:
                data = os.pread(self._open(container).fileno(), size, offset)
        except OSError as error:
            raise unreadable(members.place(row), error) from error
        if len(data) != size:
            raise SourceError(
                f"{members.place(row)} has {len(data):,} bytes, {size:,} were there when the source was indexed. "
                "The source has changed: run the command again."
            )
        return data

    def require_unchanged(self) -> None:
        """Raises SourceError where an archive that was read has changed meanwhile: an image may be half of each."""
        for path, stamp in self._stamps.items():
            if archive_stamp(path) != stamp:
                raise _changed(path)

    def _open(self, container: Container) -> FileIO:
        file = self._archives.pop(container.path, None)
        if file is None:
            self._close_all_but(self._most - 1)
            file = self._opened(container.path)
            if archive_stamp(container.path) != container.stamp:
                file.close()
                raise _changed(container.path)
            self._stamps[container.path] = container.stamp
        self._archives[container.path] = file
        return file

    def _opened(self, path: str) -> FileIO:
        """Opens a file for reading; gives up the archives that are open where no more files may be. Raises OSError."""
        try:
            return open(path, "rb", buffering=0)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._archives:
                raise
        self._close_all_but(0)
        return open(path, "rb", buffering=0)

    def _close_all_but(self, count: int) -> None:
        """Closes the archives that were read longest ago until no more than `count` are open."""
        while len(self._archives) > count:
            self._archives.popitem(last=False)[1].close()


def _changed(path: str) -> SourceError:
    return SourceError(f"{path} has changed since it was indexed. Run the command again.")


def require_sizes(members: Members) -> None:
    """Raises ImageError if images are empty or too large to be read, by the index: before hours of work."""
    if odd := members.odd_sizes():
        raise ImageError(
            f"{len(odd):,} images of {members.split} cannot be used: {first_few(odd)}. Get them again. {_WAY_ON}"
        )


def read_images(
    members: Members, function: Callable[[bytes, bytes, int], _Result], skipped: dict[str, str] | None = None
) -> Iterator[tuple[bytes, _Result]]:
    """Yields (data, `function(file_name, data, label)`) of each image's bytes, in the order of the table.

    Args:
      members: Images to read.
      function: What to do with each.
      skipped: If given, a damaged image is left out and noted here, the reason by file name, instead of raising ImageError.

    Raises ImageError, SourceError; the message names the image.
    """
    names, labels = members.name.tolist(), members.label.tolist()
    with Reader() as reader:
        for row, (name, label) in enumerate(zip(names, labels)):
            try:
                data = reader.read(members, row)
                result = function(name, data, label)
            except ImageError as error:
                if skipped is None:
                    raise ImageError(f"{members.place(row)}: {error}. {_WAY_ON}") from error
                skipped[name.decode()] = str(error).removesuffix(". Get it again")
            else:
                yield data, result
        reader.require_unchanged()
