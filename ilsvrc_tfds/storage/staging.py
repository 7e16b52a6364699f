"""The folder beside the destination where finished shards wait until all are there.

<data_dir>/ilsvrc2012/raw256/.1.0.0.staging/
    lock.holder             which run is at work: see `locks`
    <fingerprint>/          finished shards and their receipts, for one plan
<data_dir>/ilsvrc2012/raw256/.1.0.0.replaced/
                            what was at the destination, while new files take its place
"""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, unreadable
from ilsvrc_tfds.storage import locks
from ilsvrc_tfds.storage.destination import is_folder, real_path, remove, remove_incomplete, require_replaceable
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors, sync_folder, sync_name

# Other runs can remove the folder under our hands, but not so often.
_ATTEMPTS = 100
# What a file system without hard links says.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}
# Metadata, receipts, and what the file system needs for itself.
_ROOM_BESIDE = 64 << 20


class Staging:
    """The staging folder of one destination, held by this process alone. Made by `claim`."""

    def __init__(self, folder: Path, destination: Path, lock: locks.Lock):
        self._folder = folder
        self._destination = destination
        self._lock = lock

    def folder_for(self, fingerprint: str) -> tuple[Path, bool]:
        """Returns the folder for shards of one plan, and whether shards of another plan were thrown away for it."""
        folder = self._folder / fingerprint
        with destination_errors(self._folder):
            others = [path for path in self._entries() if path != folder]
            anew = any(map(is_folder, others))
            for path in others:
                remove(path)
            folder.mkdir(exist_ok=True)
            self.remove_partial_files()  # of a run that was killed
        return folder, anew

    @contextlib.contextmanager
    def replacing(self, *, sync: bool = True) -> Iterator[None]:
        """Moves what is at the destination aside; removes it at the end, or puts it back where nothing took its place.

        With `sync` what took its place has its name on disk before anything is removed.
        """
        with destination_errors(self._destination):
            if not self._lock.is_held():
                raise DestinationError(
                    f"Another run has taken {self._destination} over while this one did not answer. Wait for that one to end."
                )
            if self._destination.exists():
                self._destination.rename(_aside(self._destination))
        try:
            yield
            if sync:
                with destination_errors(self._destination):
                    sync_name(self._destination)
        finally:
            with destination_errors(self._destination):
                _settle(self._destination)

    def require_free(self, overwrite: bool) -> None:
        """Raises DestinationError if another run has made the destination since this one began, and it may not be replaced."""
        with destination_errors(self._destination):
            is_there = self._destination.exists()
        if is_there and not overwrite:
            raise DestinationError(
                f"{self._destination} has been made by another run meanwhile. Use it, or overwrite it."
            )

    def publish(self, files: Iterable[Path], *, sync: bool = True) -> None:
        """Makes the destination of these finished files, all or nothing, in place of what is there; then empties staging.

        Args:
          files: Finished files in the staging folder; with `sync` their bytes have to be on disk already.
          sync: Whether the destination has its name on disk before what it replaces is removed.
        """
        with self.replacing(sync=sync):
            publish_folder(files, self._destination, sync=sync)
        self.discard()

    def discard(self) -> None:
        """Removes all shards, so that nothing is left when the claim ends."""
        with contextlib.suppress(OSError):
            for path in self._entries():
                with contextlib.suppress(OSError):
                    remove(path, ignore_errors=True)

    def discard_published(self) -> None:
        """Removes all shards if the destination has them: a run was killed when it had published them."""
        self.remove_partial_files()
        if all(map(self._is_published, filter(is_folder, self._entries()))):
            self.discard()

    def give_back(self) -> None:
        """Removes what is half written, and the folder if no finished shard is in it; nothing if another run has it now."""
        if not self._lock.is_held():
            return
        self.remove_partial_files()
        if not any(self._folder.glob(receipt_path("*/*"))):
            self.discard()
            # Last, for another run may hold the folder as soon as the lock is gone; then the folder stays.
            self._lock.remove()
            self._folder.rmdir()

    def _entries(self) -> list[Path]:
        """Returns what is in the folder but for the lock: shards of plans, and whatever older versions had there."""
        return [path for path in self._folder.iterdir() if not locks.is_lock(path.name)]

    def _is_published(self, folder: Path) -> bool:
        """Returns whether nothing is in a folder but receipts, and files that have their final names as well."""
        left = [path for path in folder.iterdir() if not path.name.endswith(receipt_path(""))]
        finals = [self._destination / path.name for path in left]
        return all(final.exists() and final.samefile(path) for path, final in zip(left, finals))

    def remove_partial_files(self) -> None:
        """Removes what is only half written."""
        for path in self._folder.glob(f"*/*{PARTIAL_SUFFIX}"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def claim(destination: Path) -> Iterator[Staging]:
    """Holds the staging folder of a destination, and removes it at the end if no finished shard is in it.

    A destination that is a link stays one: all of it happens where the link leads to.

    Raises DestinationError where another run holds it, or it cannot be made, or the destination is a mount point.
    """
    require_replaceable(destination)
    destination = real_path(destination)
    folder = _folder_of(destination)
    with _locked(folder, destination) as lock:
        staging = Staging(folder, destination, lock)
        with destination_errors(destination):
            _settle(destination)
        try:
            yield staging
        finally:
            with contextlib.suppress(OSError):
                staging.give_back()


def require_finished(destination: Path, mark: str) -> None:
    """Raises DestinationError where a destination exists but nothing finished is in it: no file with the name `mark`.

    Raises SourceError if the destination may not be read. What a run that was killed in the moment of publishing left undone
    is done first.
    """
    tidy(destination)
    try:
        unfinished = destination.exists() and not (destination / mark).exists()
    except OSError as error:
        raise unreadable(destination, error) from error
    if unfinished:
        require_replaceable(destination)
        raise DestinationError(f"{destination} is there, but holds no finished data set: no {mark}. Move it away.")


def tidy(destination: Path) -> None:
    """Puts back what a run that was killed had moved aside; removes its shards if it had published them all."""
    destination = real_path(destination)
    with destination_errors(destination):
        if _aside(destination).exists():
            with claim(destination):
                pass
        if destination.exists() and _folder_of(destination).exists():
            # Another run may be at work, to overwrite; or the data is finished, and the disk can only be read.
            with contextlib.suppress(DestinationError), claim(destination) as claimed:
                claimed.discard_published()


def _folder_of(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.staging"


def _aside(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.replaced"


def _settle(destination: Path) -> None:
    """Ends a replacement, whichever way it went, and removes TFDS's folders of runs that were killed."""
    aside = _aside(destination)
    if aside.exists():
        if not destination.exists():
            aside.rename(destination)
        sync_folder(destination.parent)  # a run that was killed may not have done so
    shutil.rmtree(aside, ignore_errors=True)
    remove_incomplete(destination)


def staged_bytes(destination: Path) -> int:
    """Returns the size of all that waits in the staging folder of a destination: room that is taken, or given back."""
    folder = _folder_of(real_path(destination))
    with destination_errors(folder):
        return sum(path.stat().st_size for path in folder.glob("*/*"))


def require_space(folder: Path, needed: int) -> None:
    """Raises DestinationError where the file system of a folder has less room than `needed` bytes and some more."""
    free = free_bytes(folder)
    if free < needed + _ROOM_BESIDE:
        raise DestinationError(
            f"Too little room at {folder}: about {(needed + _ROOM_BESIDE) / 1e9:,.1f} GB are needed and "
            f"{free / 1e9:,.1f} GB are free. Make room or choose another data directory."
        )


def free_bytes(folder: Path) -> int:
    """Returns the room on the file system where a folder is, or would be made."""
    existing = next(
        path for path in (real_path(folder), *real_path(folder).parents) if os.path.exists(path)
    )  # False where it may not be seen
    with destination_errors(existing):
        return shutil.disk_usage(existing).free


def publish(paths: Iterable[Path], folder: Path) -> None:
    """Puts finished files under their names into a folder of the same file system; they stay in staging too.

    Where there are no hard links the files are moved, and moved back if one of them cannot be.
    """
    with contextlib.ExitStack() as back:
        for path in paths:
            target = folder / path.name
            with destination_errors(target):
                try:
                    os.link(path, target)
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
                    os.replace(path, target)
                    back.callback(os.replace, target, path)
        back.pop_all()


def publish_folder(files: Iterable[Path], destination: Path, *, sync: bool = True) -> None:
    """Makes the destination with these finished files, all or nothing; it must not be there.

    With `sync` the names of the files are on disk before the folder has its own; their bytes have to be there already.
    """
    # The name that TFDS gives what it is making; the next run removes it if this one is killed.
    partial = destination.parent / f"incomplete.{secrets.token_hex(3)}_{destination.name}"
    with destination_errors(partial):
        partial.mkdir()
        publish(files, partial)
        if sync:
            sync_folder(partial)
        partial.rename(destination)


@contextlib.contextmanager
def _locked(folder: Path, destination: Path) -> Iterator[locks.Lock]:
    """Holds `folder`, made if need be. Removes folders above it that stay empty."""
    missing = [path for path in folder.parents if not os.path.exists(path)]
    for _ in range(_ATTEMPTS):
        with destination_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                lock = locks.acquire(folder, destination)
            except FileNotFoundError:
                lock = None
        if lock is None:
            continue  # another run has just ended and removed its folder
        with lock:
            try:
                yield lock
            finally:
                with contextlib.suppress(OSError):  # not empty
                    for path in missing:
                        path.rmdir()
        return
    raise DestinationError(
        f"{folder} cannot be made, or vanishes again and again. Remove it if it is a link that leads nowhere."
    )


def receipt_path(path: str) -> str:
    """Returns where a shard's receipt lies."""
    return f"{path}.json"
