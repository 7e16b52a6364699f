"""Plain copies of compressed tars, which are written while the tars are listed.

A compressed tar is decompressed to be listed. If its images are needed as they are, what comes out is kept in the
folder of the spool. There they can be read at random, at the positions of the list, and nothing is decompressed again:

    with copies.keeping(spool, splits, runner):   in this block `of` names a copy for each compressed tar of the source,
        index = find_images(…)                    and the scans write them
        with spooled(index, spool, runner) as ready:  has the copies in place of the compressed tars
            …

A receipt beside a copy says that it is whole. If the run is killed, the next one lists the finished copies.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, InterruptedRun
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.sources.plain_copy import Copy
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import require_local
from ilsvrc_tfds.storage.growth import Growth
from ilsvrc_tfds.storage.space import is_same_disk, require_space, room_for_result
from ilsvrc_tfds.storage.staging import Staging, claim, staged_bytes
from ilsvrc_tfds.terminal.progress import Progress, progress

# JPEGs and headers of tar become smaller by 2 % with gzip.
_GAINED = 1.03
_SUFFIX = ".tar"
_ROOM = "Make room, or choose another place for the images in between (--scratch DIR)."


class _Copies:
    """The copies of a run. The folder of the spool is claimed for the first of them."""

    def __init__(self, spool: Spool, splits: Collection[str] | None, stack: contextlib.ExitStack):
        self.spool, self.splits = spool, splits
        self.worth_keeping = False  # if the source is refused
        self.copies: dict[tuple[str, str], Copy] = {}
        self.claimed: Staging | None = None
        self.folder: Path | None = None
        self._stack, self._shown = stack, stack.enter_context(contextlib.ExitStack())
        self._growth: Growth | None = None
        self._work: Progress | None = None
        self._bytes, self._waiting = 0.0, 0.0

    def of(self, path: str, stamp: str) -> Copy:
        """Returns the copy of a compressed tar. Raises DestinationError if there is no room for it."""
        if (path, stamp) not in self.copies:
            if self.folder is None:
                self.claimed, self.folder = self._stack.enter_context(_claimed_folder(self.spool))
                self._growth = Growth(self.folder)
            mark = hashlib.sha256(json.dumps([path, stamp]).encode()).hexdigest()[:16]
            copy = Copy(str(self.folder / f"{os.path.basename(path)}.{mark}{_SUFFIX}"), self.spool.sync)
            self._expect(copy, int(stamp.partition("-")[0]))
            self.copies[path, stamp] = copy
        return self.copies[path, stamp]

    def _expect(self, copy: Copy, compressed: int) -> None:
        """Checks that there is room for one more copy, and shows the progress of all."""
        assert self.folder is not None and self._growth is not None
        plain = compressed * _GAINED
        self._bytes += plain
        is_new = self._growth.expect(copy.path, compressed, plain)
        self._waiting += plain * is_new
        self.worth_keeping |= not is_new
        destination = self.spool.destination
        result = room_for_result(destination, max(0, int(self._bytes) - staged_bytes(destination)))
        beside = is_same_disk(self.folder, real_path(destination).parent)
        if not beside:
            require_space(destination, result)
        needed = int(self._waiting) + (result if beside else 0)
        require_space(self.folder, needed, _ROOM)
        if self._work is None:
            growth = self._growth
            shown = progress("decompress", 0, unit="B", look=lambda work: work.move_to(growth.amount()))
            self._work = self._shown.enter_context(shown)
        self._work.total += compressed
        if not is_new:
            self._work.already(compressed)

    def end_progress(self) -> None:
        """Ends the line of the progress, because all compressed tars are listed."""
        self._shown.close()


_current: ContextVar[_Copies | None] = ContextVar("copies", default=None)


@contextlib.contextmanager
def keeping(spool: Spool | None, splits: Collection[str] | None, runner: LocalRunner) -> Iterator[None]:
    """Keeps plain copies of the compressed tars that are listed in the block, until it ends.

    They are removed if `spooled` has yielded them and its block succeeds, or if the source is refused before, unless
    some are of an earlier run. If the run fails later or is killed, they stay for the next one.

    >>> from ilsvrc_tfds.sources.find import find_images
    >>> from ilsvrc_tfds.sources.spooling import spooled
    >>> spool = Spool(Path("/data/some-result"))
    >>> with LocalRunner(1) as runner, keeping(spool, None, runner):
    ...     index = find_images(["/data/cls-loc.tar.gz"], runner)
    ...     with spooled(index, spool, runner) as ready:
    ...         print(ready.splits["val"].containers[0].layout)
    spool

    Args:
      spool: Place of the spool, whose images must be the original ones. None keeps no copies.
      splits: Splits that are needed; None for all.
      runner: Engine that lists the source on this machine. It is stopped if the block fails.

    Raises DestinationError, in `of`, if another run holds the folder, or there is too little room.
    """
    if spool is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        copies = _Copies(spool, splits, stack)
        token = _current.set(copies)
        try:
            yield
        except BaseException as error:
            runner.stop()  # before the claim on the folder ends, because after that another run may write there
            is_refused = isinstance(error, IlsvrcError) and not isinstance(error, (InterruptedRun, DestinationError))
            if is_refused and not copies.worth_keeping:
                discard()
            raise
        finally:
            _current.reset(token)


def of(path: str, stamp: str, *, all_splits: bool = False) -> Copy | None:
    """Returns the copy to write of a compressed tar, or None outside of `keeping`.

    >>> of("/data/val.tar.gz", "1-1") is None
    True

    Args:
      path: Path of the archive, as in its containers.
      stamp: Stamp of the archive.
      all_splits: Whether it may have images of all splits. If only some are needed, it is not copied.
    """
    copies = _current.get()
    return None if copies is None or all_splits and copies.splits is not None else copies.of(path, stamp)


def paths() -> list[str]:
    """Returns the paths of all copies.

    >>> paths()
    []
    """
    copies = _current.get()
    return [] if copies is None else [copy.path for copy in copies.copies.values()]


def end_progress() -> None:
    """Ends the line of the progress, because all compressed tars are listed.

    >>> end_progress()
    """
    if (copies := _current.get()) is not None:
        copies.end_progress()


def made_of(path: str, stamp: str) -> Copy | None:
    """Returns the copy that was written of a compressed tar, or None. From now on it is kept if the run fails.

    >>> made_of("/data/val.tar.gz", "1-1") is None
    True

    Args:
      path: Path of the archive, as in its containers.
      stamp: Stamp of the archive.
    """
    copies = _current.get()
    copy = None if copies is None else copies.copies.get((path, stamp))
    if copies is not None and copy is not None:
        copies.worth_keeping = True
    return copy


def discard() -> None:
    """Removes all copies, which are not needed any more.

    >>> discard()
    """
    copies = _current.get()
    if copies is not None and copies.claimed is not None:
        copies.claimed.discard()


@contextlib.contextmanager
def spool_folder(spool: Spool) -> Iterator[tuple[Staging, Path]]:
    """Yields the staging folder of a spool, claimed, and in it the folder of its files.

    If there are copies, they are in the same folder, which is claimed already.

    >>> with spool_folder(Spool(Path("/data/another-result"))) as (_, folder):
    ...     folder.parent.name
    '.another-result-spool.staging'

    Raises DestinationError if another run holds it.
    """
    copies = _current.get()
    if copies is not None and copies.claimed is not None and copies.folder is not None:
        yield copies.claimed, copies.folder
        return
    with _claimed_folder(spool) as claimed:
        yield claimed


@contextlib.contextmanager
def _claimed_folder(spool: Spool) -> Iterator[tuple[Staging, Path]]:
    if spool.scratch is not None:
        require_local(spool.scratch)
    with claim(spool.path) as claimed:
        spool.record_place()
        yield claimed, claimed.folder_for(spool.fingerprint)[0]
