"""Objects in buckets, by URL: read, write, list, copy and remove them. Requests that fail are tried again for a while.

A request that a store cannot answer now (429, 5xx, a lost connection) is repeated after 1, 2, 4, … seconds, until the
seconds in the environment variable ILSVRC2012_BUCKET_PATIENCE have passed (300 if it is not set).
"""

import concurrent.futures
import itertools
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, OptionError
from ilsvrc_tfds.storage.bucket_errors import as_error, is_transient
from ilsvrc_tfds.storage.stores import STORES, Store, Stored, store_of

_PATIENCE = "ILSVRC2012_BUCKET_PATIENCE"
_SECONDS, _LONGEST_PAUSE = 300.0, 30.0
# Requests at a time where many small ones are sent. GCS slows down a client above 1,000 writes a second.
_AT_A_TIME = 16

# `gs://bucket`, or `gs:/bucket`, which `Path` makes of it.
_URL = re.compile(r"([a-z][a-z0-9]*):/+([^/]+)/*(.*)", re.DOTALL)

_SECONDS_GIVEN_UP = 30.0
# When each store was given up, by its scheme.
_given_up: dict[str, float] = {}

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


def bucket_url(path: str | os.PathLike) -> str | None:
    """Returns the URL of a path in a bucket, also if `Path` has changed it, or None for any other path.

    >>> from pathlib import Path
    >>> bucket_url(Path("gs://bucket/tfds/")), bucket_url("/data/tfds")
    ('gs://bucket/tfds', None)
    """
    match = _URL.fullmatch(os.fspath(path))
    return None if match is None or match[1] not in STORES else f"{match[1]}://{match[2]}/{match[3]}".rstrip("/")


def is_read_by_tensorflow(path: str | os.PathLike) -> bool:
    """Returns whether TensorFlow can read a path: it has a file system for gs://, and none for s3://.

    >>> is_read_by_tensorflow("gs://bucket/tfds"), is_read_by_tensorflow("s3://data/tfds")
    (True, False)
    """
    return not (bucket_url(path) or "").startswith("s3:")


def look(url: str) -> Stored | None:
    """Returns what the store says of an object, or None if it does not exist."""

    def looked(store: Store, bucket: str, key: str) -> Stored | None:
        try:
            return store.look(bucket, key)
        except FileNotFoundError:
            return None

    return _tried(url, looked)


def listed(url: str, *, writing: bool = False) -> dict[str, Stored]:
    """Returns the objects below a URL by the rest of their names, sorted.

    Args:
      url: URL of the folder.
      writing: Whether a failure is a DestinationError; otherwise it is a SourceError.

    Raises SourceError or DestinationError if there is no such bucket.
    """

    def found(store: Store, bucket: str, key: str) -> dict[str, Stored]:
        prefix = f"{key}/" if key else ""
        objects = {name[len(prefix) :]: stored for name, stored in store.listed(bucket, prefix)}
        return {name: objects[name] for name in sorted(objects) if name and not name.endswith("/")}

    return _tried(url, found, writing=writing)


def read(url: str, offset: int = 0, size: int | None = None) -> bytes | None:
    """Returns the bytes of an object, or None if it does not exist.

    Args:
      url: URL of the object.
      offset: Position of the first byte.
      size: Largest number of bytes; None for all.
    """

    def data(store: Store, bucket: str, key: str) -> bytes | None:
        try:
            return store.read(bucket, key, offset, size)
        except FileNotFoundError:
            return None

    return _tried(url, data)


def write(url: str, data: bytes) -> Stored:
    """Writes a small object, whatever was there."""
    return _tried(url, lambda store, bucket, key: store.write(bucket, key, data), writing=True)


def write_instead(url: str, data: bytes, version: str) -> Stored | None:
    """Writes a small object if the one that is there has a version; returns None if it has another one.

    If an answer was lost, so that the request was repeated, the object may be this one already.

    Args:
      url: URL of the object.
      data: Bytes of the object.
      version: Version that the object must have, as in `Stored`, or "" if it must not exist.
    """

    def written(store: Store, bucket: str, key: str) -> Stored | None:
        try:
            return store.write(bucket, key, data, version)
        except FileExistsError:
            return store.look(bucket, key) if store.read(bucket, key) == data else None
        except FileNotFoundError:
            if version:  # it was removed meanwhile
                return None
            raise

    return _tried(url, written, writing=True)


def upload(path: str | os.PathLike, url: str) -> Stored:
    """Uploads a file as a whole, and returns what the store says of it: its size and checksum are compared."""

    def uploaded(store: Store, bucket: str, key: str) -> Stored:
        store.upload(os.fspath(path), bucket, key)
        stored, tag = store.look(bucket, key), store.tag_of(os.fspath(path))
        if stored.size != os.path.getsize(path) or tag not in ("", stored.tag):
            store.remove(bucket, key)
            raise ConnectionError(f"the upload was damaged: {stored.size:,} bytes with the checksum {stored.tag}")
        return stored

    return _tried(url, uploaded, writing=True)


def download(url: str, path: str | os.PathLike) -> None:
    """Downloads an object to a file. Raises SourceError if the object does not exist."""
    _tried(url, lambda store, bucket, key: store.download(bucket, key, os.fspath(path)))


def copy_all(folder: str, names: Iterable[str], to: str) -> None:
    """Copies objects from one folder to another of the same bucket, several at a time."""
    target = split(to)[2]

    def copied(name: str) -> None:
        _tried(f"{folder}/{name}", lambda store, bucket, key: store.copy(bucket, key, f"{target}/{name}"), writing=True)

    at_once(copied, names)


def remove_all(urls: Iterable[str]) -> None:
    """Removes objects, several at a time. Those that do not exist are ignored."""
    at_once(lambda url: _tried(url, lambda store, bucket, key: store.remove(bucket, key), writing=True), urls)


def drop_parts(url: str) -> None:
    """Removes the parts of killed uploads below a URL, which are no objects yet."""
    _tried(url, lambda store, bucket, key: store.drop_parts(bucket, f"{key}/"), writing=True)


def at_once(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Returns the result of a function for each item, in order. Several are computed at a time.

    >>> at_once(len, ["one", "three"])
    [3, 5]
    """
    with concurrent.futures.ThreadPoolExecutor(_AT_A_TIME) as threads:
        return list(threads.map(function, items))


def split(url: str) -> tuple[str, str, str]:
    """Returns scheme, bucket and key of a URL.

    >>> split("gs://bucket/tfds/ilsvrc2012")
    ('gs', 'bucket', 'tfds/ilsvrc2012')
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise OptionError(f"{url} is not a URL of a bucket, such as gs://bucket/folder or s3://bucket/folder.")
    return match[1], match[2], match[3]


def require_folder(url: str) -> None:
    """Raises OptionError for a bucket without a folder in it, and for names that no store takes alike.

    >>> require_folder("gs://bucket")
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: gs://bucket is a whole bucket. Name a folder in it, such as gs://bucket/tfds.
    """
    scheme, bucket, key = split(url)
    if not key:
        raise OptionError(f"{scheme}://{bucket} is a whole bucket. Name a folder in it, such as {url}/tfds.")
    if any(part in ("", ".", "..") for part in key.split("/")) or re.search(r"[\x00-\x1f#?*\[\]]", key):
        raise OptionError(f"{url!a} has parts that stores take differently. Use letters, digits, '-', '_' and '.'.")


def _tried(url: str, action: Callable[[Store, str, str], _Result], *, writing: bool = False) -> _Result:
    """Returns the result of an action on a store, which is repeated while the store cannot answer."""
    scheme, bucket, key = split(url)
    store, begin = store_of(scheme), time.monotonic()
    # What is done after a failure does not wait again for a store that has just been given up.
    patience = _patience() if begin - _given_up.get(scheme, -math.inf) > _SECONDS_GIVEN_UP else 0.0
    for attempt in itertools.count():
        try:
            return action(store, bucket, key)
        except IlsvrcError:
            raise
        except Exception as error:  # the libraries have no common class
            passed = time.monotonic() - begin
            pause = min(2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1)
            if not is_transient(error):
                raise as_error(url, error, writing=writing, seconds=passed) from error
            if passed + pause > patience:
                _given_up[scheme] = time.monotonic()
                raise as_error(url, error, writing=writing, seconds=passed) from error
        time.sleep(pause)
    raise AssertionError("unreachable")


def _patience() -> float:
    stated = os.environ.get(_PATIENCE, "")
    try:
        return float(stated or _SECONDS)
    except ValueError as error:
        raise DestinationError(f"{_PATIENCE} must be a number of seconds, got {stated!r}.") from error
