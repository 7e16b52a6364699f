"""The folder beside the destination where finished shards wait until all are there.

    <data_dir>/ilsvrc2012/raw256/.1.0.0.staging/
        lock                    held by the run at work
        <fingerprint>/          finished shards and their receipts, for one plan
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.plan import SplitPlan
from ilsvrc_tfds.shards import PARTIAL_SUFFIX, Receipt, ShardTask, finish_shard, receipt_path

# To be changed when the records or the receipts change, so that older shards are not taken over.
_FORMAT = 1
_LOCK = "lock"
# Other runs can remove the folder under our hands, but not so often.
_ATTEMPTS = 100


class Staging:
    """The staging folder of one destination, held by this process alone. Made by `claim`."""

    def __init__(self, folder: Path):
        self._folder = folder

    def folder_for(self, fingerprint: str) -> tuple[Path, bool]:
        """Returns the folder for shards of one plan, and whether shards of another plan were thrown away for it."""
        folder = self._folder / fingerprint
        with _destination_errors(self._folder):
            others = [path for path in self._folder.iterdir() if path.is_dir() and path != folder]
            for path in others:
                shutil.rmtree(path)
            folder.mkdir(exist_ok=True)
            for path in folder.glob(f"*{PARTIAL_SUFFIX}"):  # of a run that was killed
                path.unlink(missing_ok=True)
        return folder, bool(others)

    def discard(self) -> None:
        """Removes all shards, so that nothing is left when the claim ends."""
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def claim(destination: Path) -> Iterator[Staging]:
    """Holds the staging folder of a destination, and removes it at the end if no finished shard is in it.

    Raises DestinationError where another run holds it, or it cannot be made.
    """
    folder = destination.parent / f".{destination.name}.staging"
    with _lock(folder, destination):
        staging = Staging(folder)
        try:
            yield staging
        finally:
            if not any(folder.glob(receipt_path("*/*"))):
                with contextlib.suppress(OSError):
                    staging.discard()
                    # Last, for another run may hold the folder as soon as the lock is gone; then the folder stays.
                    (folder / _LOCK).unlink()
                    folder.rmdir()


def fingerprint(plans: Iterable[SplitPlan], **options) -> str:
    """Returns what changes whenever a shard's bytes could: with the images' places and sizes, the cuts, the options."""
    digest = hashlib.sha256(json.dumps([_FORMAT, options], sort_keys=True, default=str).encode())
    for plan in plans:
        members = plan.members
        places = [(container.folder, container.stamp) for container in members.containers]
        digest.update(json.dumps([members.split, plan.bounds, places]).encode())
        for column in (members.name, members.label, members.container, members.offset, members.size):
            digest.update(column.tobytes())
    return digest.hexdigest()[:16]


def fill(tasks: Iterable[ShardTask], num_images: int, runner) -> list[Receipt]:
    """Returns the receipts of all shards after each is there, in order; shows progress on a terminal."""
    receipts = []
    with tqdm(total=num_images, unit=" images", unit_scale=True, disable=None, desc="writing") as bar:
        written = 0
        for receipt in runner.run(finish_shard, tasks):
            receipts.append(receipt)
            written += receipt.file_bytes
            bar.update(receipt.records)
            if not bar.disable:
                bar.set_postfix_str(f"{written / 1e6 / max(bar.format_dict['elapsed'], 1e-3):,.0f} MB/s")
    return receipts


def finished_bytes(folder: Path) -> int:
    """Returns the size of the finished shards in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if Path(receipt_path(str(path))).exists())


def require_space(folder: Path, needed: int) -> None:
    """Raises DestinationError where the file system of a folder has less room than `needed` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DestinationError(
            f"Too little room at {folder}: about {needed / 1e9:,.1f} GB are needed and {free / 1e9:,.1f} GB are free. "
            "Make room or choose another data directory."
        )


def publish(paths: Iterable[Path], folder: Path) -> None:
    """Puts finished files under their names into a folder of the same file system; links leave them in staging too."""
    for path in paths:
        target = folder / path.name
        with _destination_errors(target):
            try:
                os.link(path, target)
            except OSError:  # FAT, and some network file systems
                os.replace(path, target)


@contextlib.contextmanager
def _lock(folder: Path, destination: Path) -> Iterator[None]:
    """Holds `folder`'s lock; the kernel frees it however this process ends."""
    for _ in range(_ATTEMPTS):
        with _destination_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                file = open(folder / _LOCK, "a+")
            except FileNotFoundError:
                continue  # another run has just ended and removed its folder
        with file:
            with _destination_errors(folder):
                _acquire(file, destination)
            # The run that held it before may have removed the file between our opening and locking it.
            if _is_still(file, folder / _LOCK):
                yield
                return
    raise DestinationError(
        f"{folder} cannot be made, or vanishes again and again. Remove it if it is a link that leads nowhere."
    )


@contextlib.contextmanager
def _destination_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DestinationError(
            f"{path} cannot be written: {error.strerror or error}. Check the path and your permissions."
        ) from error


def _acquire(file, destination: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        raise DestinationError(
            f"Another run is preparing {destination} ({holder}). Wait for it to end, or choose another data directory."
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()


def _is_still(file, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
