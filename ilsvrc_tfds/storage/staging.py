"""The staging folder beside the destination, in which finished shards wait until all are finished.

<data_dir>/ilsvrc2012/raw256/.1.0.0.staging/
    lock.holder             the run that holds the folder: see `locks`
    <fingerprint>/          finished shards and their receipts, for one plan
<data_dir>/ilsvrc2012/raw256/.1.0.0.replaced/
                            the previous content of the destination, while it is being replaced
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, unreadable
from ilsvrc_tfds.storage import locks
from ilsvrc_tfds.storage.destination import is_folder, real_path, remove, remove_incomplete, require_replaceable
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors, sync_folder, sync_name
from ilsvrc_tfds.storage.publishing import publish_folder
from ilsvrc_tfds.storage.space import require_space
from ilsvrc_tfds.storage.stand_ins import url_of

# Another run may remove the folder between two steps, but not this often.
_ATTEMPTS = 100


class Staging:
    """The staging folder of a destination, locked by this process, as `claim` yields it."""

    def __init__(self, folder: Path, destination: Path, lock: locks.Lock):
        self._folder = folder
        self._destination = destination
        self._lock = lock

    @property
    def destination(self) -> Path:
        """The destination, with links resolved."""
        return self._destination

    def folder_for(self, fingerprint: str) -> tuple[Path, bool]:
        """Returns the folder for the shards of one plan, and whether shards of another plan were removed for it.

        Args:
          fingerprint: Name of the folder, which identifies the plan.
        """
        folder = self._folder / fingerprint
        with destination_errors(self._folder):
            others = [path for path in self._entries() if path != folder]
            anew = any(map(is_folder, others))
            for path in others:
                remove(path)
            folder.mkdir(exist_ok=True)
            self.remove_partial_files()  # from a run that was killed
        return folder, anew

    @contextlib.contextmanager
    def replacing(self, *, sync: bool = True) -> Iterator[None]:
        """Moves the destination aside during the block; then removes it, or moves it back if there is no new one.

        Args:
          sync: Whether to sync the name of the new destination to disk before the old one is removed.

        Raises DestinationError if another run has taken over the lock.
        """
        with destination_errors(self._destination):
            if not self._lock.is_held():
                raise DestinationError(
                    f"Another run has taken {self._destination} over while this one did not answer. Wait for the "
                    "other one to end."
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

    def finished_bytes(self, folder: Path) -> int:
        """Returns the size of the finished shards in a folder that `folder_for` returned."""
        with destination_errors(folder):
            return sum(path.stat().st_size for path in folder.iterdir() if Path(receipt_path(str(path))).exists())

    def require_space(self, folder: Path, needed: int, at_once: int) -> None:
        """Raises DestinationError if there is too little room for shards.

        Args:
          folder: Folder that `folder_for` returned.
          needed: Number of bytes of all shards that are not finished.
          at_once: Number of bytes of those that are written at the same time.
        """
        require_space(folder, needed)

    def require_free(self, overwrite: bool) -> None:
        """Raises DestinationError if the destination exists by now, because another run has written it.

        Args:
          overwrite: Whether it may be replaced, so that there is no error.
        """
        with destination_errors(self._destination):
            is_there = self._destination.exists()
        if is_there and not overwrite:
            raise DestinationError(
                f"{self._destination} has been written by another run in the meantime. Use it, or overwrite it."
            )

    def publish(self, files: Iterable[Path], *, sync: bool = True) -> None:
        """Replaces the destination atomically by a folder of finished files, and empties the staging folder.

        Args:
          files: Finished files in the staging folder. If `sync`, their content must be on disk already.
          sync: Whether to sync the name of the new destination to disk before the old one is removed.
        """
        with self.replacing(sync=sync):
            publish_folder(files, self._destination, sync=sync)
        self.discard()

    def discard(self) -> None:
        """Removes all shards, so that the folder itself is removed when the claim ends."""
        with contextlib.suppress(OSError):
            for path in self._entries():
                with contextlib.suppress(OSError):
                    remove(path, ignore_errors=True)

    def discard_published(self) -> None:
        """Removes all shards if the destination has them, because a run was killed after it had published them."""
        self.remove_partial_files()
        if all(map(self._is_published, filter(is_folder, self._entries()))):
            self.discard()

    def give_back(self) -> None:
        """Removes partial files, and the folder if it has no finished shard. Does nothing if another run holds it."""
        if not self._lock.is_held():
            return
        self.remove_partial_files()
        if not any(self._folder.glob(receipt_path("*/*"))):
            self.discard()
            # The lock goes last. Another run may then take the folder at once, and `rmdir` fails.
            self._lock.remove()
            self._folder.rmdir()

    def _entries(self) -> list[Path]:
        """Returns the folder's entries except the lock: folders of plans, and files of older versions."""
        return [path for path in self._folder.iterdir() if not locks.is_lock(path.name)]

    def _is_published(self, folder: Path) -> bool:
        """Returns whether a folder contains only receipts, and files that also have their final names."""
        left = [path for path in folder.iterdir() if not path.name.endswith(receipt_path(""))]
        finals = [self._destination / path.name for path in left]
        return all(final.exists() and final.samefile(path) for path, final in zip(left, finals))

    def remove_partial_files(self) -> None:
        """Removes the files that are not complete."""
        for path in self._folder.glob(f"*/*{PARTIAL_SUFFIX}"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def claim(destination: Path) -> Iterator[Staging]:
    """Locks the staging folder of a destination during the block; then removes it if it has no finished shard.

    If the destination is a link, the folder is beside its target, and the link stays.

    Raises DestinationError if another run holds the folder, if it cannot be made, or if the destination is a mount
    point.

    >>> with claim(Path("/data/run")) as staging:
    ...     folder, _ = staging.folder_for("0123456789abcdef")
    ...     _ = (folder / "shard").write_bytes(b"records")
    ...     staging.publish([folder / "shard"])
    >>> Path("/data/run/shard").read_bytes()
    b'records'
    """
    require_replaceable(destination)
    destination = real_path(destination)
    folder = staging_folder(destination)
    with _locked(folder, destination) as lock:
        with contextlib.ExitStack() as stack:
            if url := url_of(destination):
                from ilsvrc_tfds.storage.bucket_staging import claim_in_bucket

                staging: Staging = stack.enter_context(claim_in_bucket(folder, destination, lock, url))
            else:
                staging = Staging(folder, destination, lock)
            with destination_errors(destination):
                _settle(destination)
            try:
                yield staging
            finally:
                with contextlib.suppress(OSError, IlsvrcError):
                    staging.give_back()


def require_finished(destination: Path, mark: str) -> None:
    """Raises DestinationError if a destination exists but is not a finished data set. Calls `tidy` first.

    Args:
      destination: Folder of the data set.
      mark: Name of a file that every finished data set has.

    Raises SourceError if the destination cannot be read.

    >>> require_finished(Path("/data/no/such/folder"), "dataset_info.json")
    """
    tidy(destination)
    try:
        unfinished = destination.exists() and not (destination / mark).exists()
    except OSError as error:
        raise unreadable(destination, error) from error
    if unfinished:
        require_replaceable(destination)
        raise DestinationError(f"{destination} exists, but holds no finished data set: it has no {mark}. Move it away.")


def tidy(destination: Path) -> None:
    """Cleans up after a run that was killed while it published: moves the old destination back, or removes the shards.

    >>> tidy(Path("/data/no/such/folder"))
    """
    destination = real_path(destination)
    with destination_errors(destination):
        if _aside(destination).exists():
            with claim(destination):
                pass
        if destination.exists() and staging_folder(destination).exists():
            # Another run may be overwriting it, or the data is finished and the disk is read-only.
            with contextlib.suppress(DestinationError), claim(destination) as claimed:
                claimed.discard_published()


def staging_folder(destination: Path) -> Path:
    """Returns the path of the staging folder of a destination.

    >>> staging_folder(Path("/data/run")).name
    '.run.staging'
    """
    return destination.parent / f".{destination.name}.staging"


def _aside(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.replaced"


def _settle(destination: Path) -> None:
    """Ends a replacement, successful or not, and removes the incomplete folders of runs that were killed."""
    aside = _aside(destination)
    if aside.exists():
        if not destination.exists():
            aside.rename(destination)
        sync_folder(destination.parent)  # a killed run may not have synced it
    shutil.rmtree(aside, ignore_errors=True)
    remove_incomplete(destination)


def staged_bytes(destination: Path) -> int:
    """Returns the size of the files in the staging folder of a destination.

    >>> staged_bytes(Path("/data/no/such/folder"))
    0
    """
    folder = staging_folder(real_path(destination))
    with destination_errors(folder):
        return sum(path.stat().st_size for path in folder.glob("*/*"))


@contextlib.contextmanager
def _locked(folder: Path, destination: Path) -> Iterator[locks.Lock]:
    """Creates and locks `folder` during the block, and afterwards removes the new folders above it that are empty."""
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
            continue  # another run has just ended and removed the folder
        with lock:
            try:
                yield lock
            finally:
                with contextlib.suppress(OSError):  # not empty
                    for path in missing:
                        path.rmdir()
        return
    raise DestinationError(
        f"{folder} cannot be created, or disappears repeatedly. Remove it if it is a link that leads nowhere."
    )


def receipt_path(path: str) -> str:
    """Returns the path of a shard's receipt: that of the shard with `.json` appended."""
    return f"{path}.json"
