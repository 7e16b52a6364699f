"""The lock of a destination in a bucket: an object that only one run can create, and that its run writes anew.

    .1.0.0.staging/lock.holder      JSON: the process that holds the lock, and a number that grows every 20 seconds

It is created on the condition that it does not exist (`ifGenerationMatch=0` of GCS, `If-None-Match: *` of S3), and each
later write asks for the version of the last one, so a run that has lost the lock notices it. A store that ignores such
conditions is noticed too, unless two runs begin within the same second.

| the holder | another run |
|---|---|
| wrote the object in the last two minutes, by the store's clock | is refused |
| was a process of this machine, which has ended | takes the lock |
| has been silent for longer | is refused, and is told how long: `--break-lock` takes the lock |
"""

import contextlib
import json
import logging
import secrets
import threading
from typing import NamedTuple

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, counted, shown
from ilsvrc_tfds.interrupts import start_thread
from ilsvrc_tfds.storage import bucket
from ilsvrc_tfds.storage.holders import Holder, holder_of_text, words_of_myself

LOCK = "lock.holder"
_SECONDS_BETWEEN_BEATS = 20.0
_SECONDS_TO_SILENCE = 120.0
_ATTEMPTS = 5

_log = logging.getLogger(__name__)


class BucketLock:
    """A lock that this process holds, as `acquire` returns it: a context manager that releases it."""

    def __init__(self, url: str, words: bytes, version: str):
        """Starts the thread that writes the object anew.

        Args:
          url: URL of the lock's object.
          words: Content of the object.
          version: Version that the store gave to it.
        """
        self._url, self._words, self._version = url, words, version
        self._is_lost = False
        self._ended = threading.Event()
        self._heart = start_thread(self._beat)

    def __enter__(self) -> "BucketLock":
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._heart.join(_SECONDS_BETWEEN_BEATS)
        with contextlib.suppress(IlsvrcError):  # the store is gone: the lock is silent from now on
            if self.is_held():
                bucket.remove_all([self._url])

    def is_held(self) -> bool:
        """Returns whether no other run has taken the lock. Raises SourceError if the store does not answer."""
        data = bucket.read(self._url)
        return not self._is_lost and data is not None and _token(data) == _token(self._words)

    def _beat(self) -> None:
        beats = 0
        while not self._ended.wait(_SECONDS_BETWEEN_BEATS):
            beats += 1
            words = json.dumps({**json.loads(self._words), "beats": beats}).encode()
            with contextlib.suppress(IlsvrcError):  # the store may be away for a while
                stored = bucket.write_instead(self._url, words, self._version)
                if stored is None and self.is_held():
                    stored = bucket.look(self._url)  # the answer to the last write was lost
                if stored is None:
                    self._is_lost = True
                    return
                self._version = stored.version


class _Seen(NamedTuple):
    """A lock that is there: its holder, the version of its object, and the seconds since it was written."""

    holder: Holder
    version: str
    silent: float


def acquire(folder: str, destination: str, *, break_lock: bool) -> BucketLock:
    """Returns the lock of a staging folder in a bucket.

    Args:
      folder: URL of the staging folder.
      destination: URL of what is written, for messages.
      break_lock: Whether the lock of a silent run is taken. That of a run that writes it anew is never taken.

    Raises DestinationError if another run holds the lock.
    """
    url, words = f"{folder}/{LOCK}", words_of_myself(is_locked=False)
    for _ in range(_ATTEMPTS):
        seen = _seen(url)
        if seen is not None:
            _require_dead(seen, destination, break_lock)
        stored = bucket.write_instead(url, words, "" if seen is None else seen.version)
        if stored is not None and bucket.read(url) == words:
            return BucketLock(url, words, stored.version)
    raise DestinationError(f"{url} is written by several runs at once. Wait for them to end, and try again.")


def _require_dead(seen: _Seen, destination: str, break_lock: bool) -> None:
    """Raises DestinationError unless the holder has ended, or is silent and may be taken for dead."""
    if seen.holder.is_gone():
        return
    who = shown(seen.holder.text[:200])
    if seen.silent < _SECONDS_TO_SILENCE:
        raise DestinationError(
            f"Another run is making {destination} ({who}, which wrote its lock {seen.silent:.0f} s ago). Wait for it "
            "to end, or choose another place."
        )
    minutes = counted(int(seen.silent // 60), "minute")
    if not break_lock:
        raise DestinationError(
            f"{destination} is locked by {who}, which has been silent for {minutes}. If that run has ended, take its "
            "place with --break-lock (break_lock=True); its finished shards are kept."
        )
    _log.warning("Taking the place of %s, which has been silent for %s.", who, minutes)


def _seen(url: str) -> _Seen | None:
    """Returns the lock that is there, or None."""
    stored, data = bucket.look(url), bucket.read(url)
    if stored is None or data is None:
        return None
    beside = f"{url}.{secrets.token_hex(4)}"
    now = bucket.write(beside, b"").modified  # the store's clock
    bucket.remove_all([beside])
    return _Seen(holder_of_text(data, stored.modified), stored.version, max(0.0, now - stored.modified))


def _token(data: bytes) -> str:
    return holder_of_text(data, 0.0).token
