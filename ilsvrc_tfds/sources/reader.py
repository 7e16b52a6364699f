"""Reads one image's bytes from its archive or folder."""

import errno
import os
import resource
from collections import OrderedDict
from collections.abc import Callable, Iterator
from io import FileIO
from typing import TypeVar

from ilsvrc_tfds.errors import ImageError, SourceError, counted, first_few, unreadable
from ilsvrc_tfds.sources.layouts import READABLE, STREAMS
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members, size_fault
from ilsvrc_tfds.sources.scan import archive_stamp
from ilsvrc_tfds.storage.regular import without_waiting

_Result = TypeVar("_Result")
_Opened = TypeVar("_Opened")

# There can be 1000 class archives. A process may usually have 1024 open files, on some machines only 256 or 64.
_OPEN_ARCHIVES, _SHARE_OF_LIMIT = 128, 4
_MORE = 1 << 20

_WAY_ON = 'Damaged images are left out with --on-error skip (on_error="skip").'


class Reader:
    """Reads images, and keeps the archives that it read last open. A context manager, for use in one thread.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> with Reader() as reader:
    ...     image = reader.read(val, 0)
    >>> image[:3]
    b'\\xff\\xd8\\xff'
    """

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
          SourceError: The image is gone, or has changed since it was indexed. The message names its place.
          ImageError: The image is empty or too large according to the index. The message does not name its place.
        """
        container = members.containers[members.container[row]]
        offset, size, name = int(members.offset[row]), int(members.size[row]), members.stored_name(row)
        if fault := size_fault(size):
            raise ImageError(f"{fault}. Get it again")
        try:
            if offset == WHOLE_FILE:
                data = _whole(self._opened(f"{container.path}/{os.fsdecode(name)}", _descriptor), size)
            else:
                data = READABLE[container.layout].read(self._open(container), offset, size, name)
        except OSError as error:
            raise unreadable(members.place(row), error) from error
        if len(data) != size and container.layout not in STREAMS:  # those state no exact sizes
            raise SourceError(
                f"{members.place(row)} has {counted(len(data), 'byte')}, {size:,} were there when the source was "
                "indexed. The source has changed: run the command again."
            )
        return data

    def require_unchanged(self) -> None:
        """Raises SourceError if an archive has changed while it was read: images may then mix old and new bytes."""
        for path, stamp in self._stamps.items():
            if archive_stamp(path) != stamp:
                raise _changed(path)

    def _open(self, container: Container) -> FileIO:
        file = self._archives.pop(container.path, None)
        if file is None:
            self._close_all_but(self._most - 1)
            file = self._opened(container.path, _file)
            if archive_stamp(container.path) != container.stamp:
                file.close()
                raise _changed(container.path)
            self._stamps[container.path] = container.stamp
        self._archives[container.path] = file
        return file

    def _opened(self, path: str, opener: Callable[[str], _Opened]) -> _Opened:
        """Opens a file for reading. If too many files are open, closes all archives and tries again. Raises OSError."""
        try:
            return opener(path)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._archives:
                raise
        self._close_all_but(0)
        return opener(path)

    def _close_all_but(self, count: int) -> None:
        """Closes the archives that were read longest ago until no more than `count` are open."""
        while len(self._archives) > count:
            self._archives.popitem(last=False)[1].close()


def _file(path: str) -> FileIO:
    return open(path, "rb", buffering=0, opener=without_waiting)


def _descriptor(path: str) -> int:
    return without_waiting(path, os.O_RDONLY)


def _whole(descriptor: int, size: int) -> bytes:
    """Returns all bytes of a file, whose number shows whether it has changed, and closes it."""
    try:
        data = os.read(descriptor, size + 1)  # one call of the system; a file of Python's makes four
        while len(data) != size and (more := os.read(descriptor, _MORE)):
            data += more
        return data
    finally:
        os.close(descriptor)


def _changed(path: str) -> SourceError:
    return SourceError(f"{path} has changed since it was indexed. Run the command again.")


def require_sizes(members: Members) -> None:
    """Raises ImageError if images are empty or too large according to the index, so that a run fails at its start."""
    if odd := members.odd_sizes():
        raise ImageError(
            f"{counted(len(odd), 'image')} of {members.split} cannot be used: {first_few(odd)}. Get them again. "
            f"{_WAY_ON}"
        )


def read_images(
    members: Members, function: Callable[[bytes, bytes, int], _Result], skipped: dict[str, str] | None = None
) -> Iterator[tuple[bytes, _Result]]:
    """Yields (data, `function(file_name, data, label)`) of each image's bytes, in the order of the table.

    Args:
      members: Images to read.
      function: Function to call with each image.
      skipped: If given, damaged images are skipped instead of raising ImageError, and `skipped[file_name]` becomes the
        reason.

    Raises ImageError or SourceError, whose message names the image.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> val = index_images(find_layout(["/data/imagenet"])).splits["val"]
    >>> [size for _, size in read_images(val, lambda file_name, data, label: len(data))] == val.size.tolist()
    True
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
