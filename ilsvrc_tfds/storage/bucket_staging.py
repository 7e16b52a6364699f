"""The staging folder of a destination in a bucket: where uploaded shards wait until all are finished.

gs://bucket/tfds/ilsvrc2012/raw256/.1.0.0.staging/
    lock.holder             the run that holds the folder: see `bucket_lock`
    <fingerprint>/          uploaded shards and their receipts, for one plan
    publish.json            what is to be copied to the destination, once all of it is here

At the end the store copies all files to the destination, without a way through this machine. `manifest.json` and
`dataset_info.json` come last, and are removed first if an older result is replaced: a folder with one of them is whole.
If a run is killed while it copies, the next one copies everything again before it does anything else.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from ilsvrc_tfds.errors import DestinationError, first_few, shown
from ilsvrc_tfds.storage import bucket, bucket_lock, locks
from ilsvrc_tfds.storage.bucket_lock import LOCK, BucketLock
from ilsvrc_tfds.storage.space import require_space
from ilsvrc_tfds.storage.staging import Staging, receipt_path, staging_folder
from ilsvrc_tfds.storage.stand_ins import breaks_lock

# In this order: TFDS takes a folder with the last one as finished.
_MARKS = ("manifest.json", "dataset_info.json")
_PLANNED = "publish.json"


class BucketStaging(Staging):
    """The staging folder of a destination in a bucket, and the local folder that stands for it."""

    def __init__(self, folder: Path, destination: Path, lock: locks.Lock, url: str, bucket_lock: BucketLock):
        super().__init__(folder, destination, lock)
        self._url, self._bucket_lock = url, bucket_lock
        self._staged = _staging_url(url)

    def folder_for(self, fingerprint: str) -> tuple[Path, bool]:
        """Returns the local folder for one plan, and whether uploaded shards of another plan were removed for it."""
        folder, _ = super().folder_for(fingerprint)
        bucket.drop_parts(self._staged)
        objects = bucket.listed(self._staged, writing=True)
        others = [name for name in objects if not name.startswith((f"{fingerprint}/", LOCK))]
        bucket.remove_all(f"{self._staged}/{name}" for name in others)
        return folder, any(receipt_path(name) in others for name in others)

    def finished_bytes(self, folder: Path) -> int:
        """Returns the size of the shards of a plan that are uploaded with their receipts."""
        objects = bucket.listed(f"{self._staged}/{folder.name}", writing=True)
        return sum(stored.size for name, stored in objects.items() if receipt_path(name) in objects)

    def require_space(self, folder: Path, needed: int, at_once: int) -> None:
        """Raises DestinationError if this machine has no room for the shards that are written at the same time."""
        require_space(folder, at_once, "Choose a folder on a larger disk with --scratch, or use fewer workers.")

    def require_free(self, overwrite: bool) -> None:
        """Raises DestinationError if the destination exists by now, because another run has written it."""
        super().require_free(overwrite)
        if not overwrite and any(bucket.look(f"{self._url}/{mark}") for mark in _MARKS):
            raise DestinationError(
                f"{self._url} has been written by another run in the meantime. Use it, or overwrite it."
            )

    def publish(self, files: Iterable[Path], *, sync: bool = True) -> None:
        """Copies all files to the destination within the bucket, and removes everything else there and in staging."""
        files = list(files)
        local = [path for path in files if path.exists()]
        folder = files[0].parent.name
        bucket.at_once(lambda path: bucket.upload(path, f"{self._staged}/{folder}/{path.name}"), local)
        if not self._bucket_lock.is_held():
            raise DestinationError(
                f"Another run has taken {self._url} over while this one did not answer. Wait for the other one to end."
            )
        self._require_nothing_new()
        planned = {"folder": folder, "names": [path.name for path in files], "copied": False}
        bucket.write(f"{self._staged}/{_PLANNED}", json.dumps(planned).encode())
        _copy_planned(self._url)
        super().publish(local, sync=False)

    def _require_nothing_new(self) -> None:
        """Raises DestinationError for objects at the destination that were not there when this run looked."""
        seen = {path.relative_to(self._destination).as_posix() for path in self._destination.rglob("*")}
        if new := sorted(bucket.listed(self._url, writing=True).keys() - seen):
            raise DestinationError(
                f"{self._url} has objects that were written in the meantime: {first_few(map(shown, new))}. They would "
                "be removed. Move them away, or choose another place; finished shards are kept."
            )

    def give_back(self) -> None:
        """Removes what was uploaded if no shard of it is finished, and what is left on this machine."""
        super().give_back()
        objects = bucket.listed(self._staged, writing=True)
        if self._bucket_lock.is_held() and not any(receipt_path(name) in objects for name in objects):
            _remove_staged(self._staged)


@contextlib.contextmanager
def claim_in_bucket(folder: Path, destination: Path, lock: locks.Lock, url: str) -> Iterator[BucketStaging]:
    """Locks the staging folder of a destination in a bucket during the block.

    Args:
      folder: Local staging folder.
      destination: Local folder that stands for the destination.
      lock: Lock of the local staging folder.
      url: URL of the destination.

    Raises DestinationError if another run holds the folder.
    """
    with bucket_lock.acquire(_staging_url(url), url, break_lock=breaks_lock(destination)) as held:
        yield BucketStaging(folder, destination, lock, url, held)


def tidy_in_bucket(url: str, *, break_lock: bool) -> None:
    """Finishes what a run has left at a destination in a bucket that was killed while it published.

    Args:
      url: URL of the destination.
      break_lock: Whether the lock of a silent run is taken.
    """
    staged = _staging_url(url)
    objects = bucket.listed(staged, writing=True)
    if not objects or _PLANNED not in objects and any(receipt_path(name) in objects for name in objects):
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(bucket_lock.acquire(staged, url, break_lock=break_lock))
        except DestinationError:  # another run is writing there, and this one is refused later
            return
        if bucket.look(f"{staged}/{_PLANNED}"):
            _copy_planned(url)
        elif _PLANNED not in objects:
            _remove_staged(staged)


def _copy_planned(url: str) -> None:
    """Copies what is planned to a destination, removes everything else there, and empties the staging folder."""
    staged = _staging_url(url)
    planned = json.loads(bucket.read(f"{staged}/{_PLANNED}") or b"{}")
    names, folder = planned["names"], f"{staged}/{planned['folder']}"
    if not planned["copied"]:
        there = bucket.listed(url, writing=True)
        for mark in reversed(_MARKS):  # one by one, TFDS's first
            bucket.remove_all([f"{url}/{mark}"] if mark in there else [])
        bucket.copy_all(folder, [name for name in names if name not in _MARKS], url)
        bucket.remove_all(f"{url}/{name}" for name in there if name not in (*names, *_MARKS))
        for mark in _MARKS:
            bucket.copy_all(folder, [mark] if mark in names else [], url)
        bucket.write(f"{staged}/{_PLANNED}", json.dumps({**planned, "copied": True}).encode())
    _remove_staged(staged)


def _remove_staged(staged: str) -> None:
    """Removes the objects of a staging folder but its lock; the plan goes last, since it says that all is copied."""
    names = [name for name in bucket.listed(staged, writing=True) if name not in (LOCK, _PLANNED)]
    bucket.remove_all(f"{staged}/{name}" for name in names)
    bucket.remove_all([f"{staged}/{_PLANNED}"])


def _staging_url(url: str) -> str:
    above, _, name = url.rpartition("/")
    return f"{above}/{staging_folder(Path(name)).name}"
