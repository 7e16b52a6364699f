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
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, InterruptedRun
from ilsvrc_tfds.runners.local import LocalRunner
from ilsvrc_tfds.sources.plain_copy import Copy
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage.destination import real_path, remove
from ilsvrc_tfds.storage.files import destination_errors, require_local
from ilsvrc_tfds.storage.growth import Growth
from ilsvrc_tfds.storage.space import is_same_disk, require_space, room_for_result
from ilsvrc_tfds.storage.staging import Staging, claim, receipt_path, staged_bytes, staging_folder
from ilsvrc_tfds.terminal.progress import Progress, progress
from ilsvrc_tfds.terminal.units import in_bytes

# JPEGs and headers of tar become smaller by 2 % with gzip.
_GAINED = 1.03
_SUFFIX = ".tar"
# Names of copies, and of the spools of single images, with their receipts.
_MADE = re.compile(r"(?P<archive>.+)\.[0-9a-f]{16}\.(?:tar|images)(?:\.json)?")
_ROOM = "Make room, or choose another place for the images in between (--scratch DIR)."

_log = logging.getLogger(__name__)


class _Copies:
    """The copies of a run. The folder of the spool is claimed for the first of them."""

    def __init__(
        self, spool: Spool, splits: Collection[str] | None, shares: Mapping[Path, float], stack: contextlib.ExitStack
    ):
        self.spool, self.splits = spool, splits
        self.copies: dict[tuple[str, str], Copy] = {}
        self.claimed: Staging | None = None
        self.folder: Path | None = None
        self.worth_keeping = False  # if the source is refused
        self._shares, self._stack = shares, stack
        self._shown = stack.enter_context(contextlib.ExitStack())
        self._growth: Growth | None = None
        self._work: Progress | None = None
        self._compressed, self._waiting = 0, 0  # bytes of all archives, and of those that have no copy yet
        self._said = 0

    def of(self, path: str, stamp: str) -> Copy:
        """Returns the copy of a compressed tar. Raises DestinationError."""
        if (path, stamp) in self.copies:
            return self.copies[path, stamp]
        if self.folder is None:
            self._stack.callback(_forget_place, self.spool, _missing_parents(self.spool))
            self.claimed, self.folder = self._stack.enter_context(_claimed_folder(self.spool))
            self._growth = Growth(self.folder)
        assert self._growth is not None
        mark = hashlib.sha256(json.dumps([path, stamp]).encode()).hexdigest()[:16]
        copy = Copy(str(self.folder / f"{os.path.basename(path)}.{mark}{_SUFFIX}"), self.spool.sync)
        compressed = int(stamp.partition("-")[0])
        is_new = self._growth.expect(copy.path, compressed, compressed * _GAINED)
        self.worth_keeping |= not is_new
        self._compressed += compressed
        self._waiting += compressed * is_new
        self.copies[path, stamp] = copy
        return copy

    def begin(self) -> None:
        """Removes older copies, checks that there is room for those so far and the results, and shows the progress."""
        if self.folder is None or self._growth is None or self._said == self._compressed:
            return
        self._remove_older(self.folder)
        needed_for_copies = self._waiting * _GAINED
        needed = {self.folder: needed_for_copies}
        for destination, share in self._shares.items():
            result = self._compressed * _GAINED * share - staged_bytes(destination)
            place = real_path(destination).parent
            place = self.folder if is_same_disk(self.folder, place) else place
            needed[place] = needed.get(place, 0) + room_for_result(destination, max(0, int(result)))
        for place, amount in needed.items():
            require_space(place, int(amount), _ROOM)
        done = self._compressed - self._waiting
        if self._work is None:
            _log.info(
                "Compressed tars have no random access: plain copies are written to %s, which needs about %s.",
                *(self.folder, in_bytes(needed_for_copies)),
            )
            growth = self._growth
            shown = progress(
                "decompress",
                self._compressed,
                unit="B",
                done=done,
                look=lambda work: work.move_to(growth.amount()),
            )
            self._work = self._shown.enter_context(shown)
        self._work.total = self._compressed
        self._said = self._compressed

    def _remove_older(self, folder: Path) -> None:
        """Removes what was made of the archives before they were replaced, or for another result."""
        archives = {os.path.basename(path) for path, _ in self.copies}
        own = {os.path.basename(copy.path) for copy in self.copies.values()}
        own |= set(map(receipt_path, own))
        with destination_errors(folder):
            for path in folder.iterdir():
                made_of = _MADE.fullmatch(path.name)
                if made_of and made_of["archive"] in archives and path.name not in own:
                    remove(path)

    def end_progress(self) -> None:
        """Ends the line of the progress, because all compressed tars are listed."""
        self._shown.close()


_current: ContextVar[_Copies | None] = ContextVar("copies", default=None)


@contextlib.contextmanager
def keeping(
    spool: Spool | None, splits: Collection[str] | None, runner: LocalRunner, shares: Mapping[Path, float] | None = None
) -> Iterator[None]:
    """Keeps plain copies of the compressed tars that are listed in the block, until it ends.

    They are removed when the block succeeds, and when the source is refused, unless an earlier run has made some of
    them. If the run fails after the source was listed, or is killed, they stay for the next run.

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
      runner: Engine that lists the source on this machine. It is stopped at the end.
      shares: What each result needs, by its folder, as a share of the bytes of the images. None for one result beside
        the spool with all of them.

    Raises DestinationError, in `of` and `begin`, if another run holds the folder, or there is too little room.
    """
    with contextlib.ExitStack() as stack:
        shares = {spool.destination: 1.0} if spool is not None and shares is None else shares or {}
        copies = None if spool is None else _Copies(spool, splits, shares, stack)
        token = _current.set(copies)
        try:
            yield
        except BaseException as error:
            # After an interrupt, or on a full disk, the source may still be sound.
            is_refused = isinstance(error, IlsvrcError) and not isinstance(error, (InterruptedRun, DestinationError))
            if copies is not None and copies.claimed is not None:
                runner.stop()  # before the claim on the folder ends, because after that another run may write there
                if is_refused and not copies.worth_keeping:
                    copies.claimed.discard()
            raise
        else:
            if copies is not None and copies.claimed is not None:
                runner.stop()
                copies.claimed.discard()
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

    Raises DestinationError if another run holds the folder.
    """
    copies = _current.get()
    return None if copies is None or all_splits and copies.splits is not None else copies.of(path, stamp)


def begin() -> None:
    """Checks the room for the copies that `of` has named, and shows the progress, before they are written.

    >>> begin()

    Raises DestinationError if there is too little room.
    """
    if (copies := _current.get()) is not None:
        copies.begin()


def end_progress() -> None:
    """Ends the line of the progress, because all compressed tars are listed.

    >>> end_progress()
    """
    if (copies := _current.get()) is not None:
        copies.end_progress()


def paths(spool: Spool) -> list[str]:
    """Returns the paths of all copies in a spool.

    >>> paths(Spool(Path("/data/some-result")))
    []
    """
    copies = _in(spool)
    return [] if copies is None else [copy.path for copy in copies.copies.values()]


def made_of(path: str, stamp: str, spool: Spool) -> Copy | None:
    """Returns the copy that was written of a compressed tar, or None. From now on it is kept if the run fails.

    >>> made_of("/data/val.tar.gz", "1-1", Spool(Path("/data/some-result"))) is None
    True

    Args:
      path: Path of the archive, as in its containers.
      stamp: Stamp of the archive.
      spool: Place of the spool.
    """
    copies = _in(spool)
    copy = None if copies is None else copies.copies.get((path, stamp))
    if copies is not None and copy is not None:
        copies.worth_keeping = True
    return copy


@contextlib.contextmanager
def spool_folder(spool: Spool) -> Iterator[tuple[Staging, Path]]:
    """Yields the staging folder of a spool, claimed, and in it the folder of its files.

    If there are copies, they are in the same folder, which is claimed already.

    >>> with spool_folder(Spool(Path("/data/another-result"))) as (_, folder):
    ...     folder.parent.name
    '.another-result-spool.staging'

    Raises DestinationError if another run holds it.
    """
    copies = _in(spool)
    if copies is not None and copies.claimed is not None and copies.folder is not None:
        yield copies.claimed, copies.folder
        return
    with _claimed_folder(spool) as claimed:
        yield claimed


def _in(spool: Spool) -> _Copies | None:
    copies = _current.get()
    return copies if copies is not None and copies.spool.path == spool.path else None


@contextlib.contextmanager
def _claimed_folder(spool: Spool) -> Iterator[tuple[Staging, Path]]:
    if spool.scratch is not None:
        require_local(spool.scratch)
    with claim(spool.path) as claimed:
        spool.record_place()
        yield claimed, claimed.folder_for(spool.fingerprint)[0]


def _missing_parents(spool: Spool) -> list[Path] | None:
    """Returns the folders that the record of the spool's place would make; None if there is a record."""
    if spool.record.exists():
        return None
    return [folder for folder in spool.record.parents if not folder.exists()]


def _forget_place(spool: Spool, made: list[Path] | None) -> None:
    """Removes the record of the spool's place, and the folders made for it, if this run has left nothing there."""
    if made is None or staging_folder(spool.path).exists():
        return
    with contextlib.suppress(OSError, DestinationError):
        spool.forget_places()
        for folder in made:
            folder.rmdir()  # not if the result is there
