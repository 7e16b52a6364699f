"""Read one image's bytes where they lie."""

import os
from collections import OrderedDict

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources.members import WHOLE_FILE, Container, Members
from ilsvrc_tfds.sources.scan import archive_stamp, open_archive, unreadable

# Class archives can be 1000 files; the usual limit of a process is 1024 open ones.
_OPEN_ARCHIVES = 128


class Reader:
    """Reads images, and keeps the archives open that it read last. A context manager, for one thread."""

    def __init__(self):
        self._archives = OrderedDict()
        self._stamps = {}

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *exception) -> None:
        for file in self._archives.values():
            file.close()
        self._archives.clear()

    def read(self, members: Members, row: int) -> bytes:
        """Returns the bytes of one image. Raises SourceError where they are gone or not those that were indexed."""
        container = members.containers[members.container[row]]
        offset, size = int(members.offset[row]), int(members.size[row])
        try:
            if offset == WHOLE_FILE:
                with open(members.place(row), "rb", buffering=0) as file:
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

    def _open(self, container: Container):
        file = self._archives.pop(container.path, None)
        if file is None:
            if len(self._archives) >= _OPEN_ARCHIVES:
                self._archives.popitem(last=False)[1].close()
            file = open_archive(container.path)
            if archive_stamp(container.path) != container.stamp:
                file.close()
                raise _changed(container.path)
            self._stamps[container.path] = container.stamp
        self._archives[container.path] = file
        return file


def _changed(path: str) -> SourceError:
    return SourceError(f"{path} has changed since it was indexed. Run the command again.")
