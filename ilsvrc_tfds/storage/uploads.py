"""Uploads a finished file with its receipt, or another file that is written in a stand-in.

The receipt of a shard in a bucket is an object beside it, which is written after it:

    {"receipt": {"split": "train", …}, "object": {"size": 44040192, "tag": "yZRlqg=="}}

A shard is finished if its object still has the size and the tag (CRC32C or ETag) that the store stated after the
upload.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ilsvrc_tfds.errors import unwritable
from ilsvrc_tfds.storage import bucket
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX
from ilsvrc_tfds.storage.stand_ins import url_of

_Receipt = TypeVar("_Receipt")


def is_url(place: str) -> bool:
    """Returns whether a place, as `place_of` returns it, is in a bucket.

    >>> is_url("gs://bucket/tfds/shard"), is_url("/data/shard")
    (True, False)
    """
    return "://" in place


def place_of(path: Path) -> str:
    """Returns where a worker on any machine finds a file: the path itself, or the URL that it stands for.

    >>> place_of(Path("/data/shard"))
    '/data/shard'
    """
    return url_of(path) or os.fspath(path)


def upload_beside(path: Path) -> None:
    """Uploads a file that is not part of a result, if its path stands for a URL.

    >>> upload_beside(Path("/data/note"))
    """
    if url := url_of(path):
        bucket.upload(path, url)


def upload_with_receipt(
    url: str,
    write: Callable[[str], _Receipt],
    as_json: Callable[[_Receipt], object],
    *,
    scratch: str,
    then: str,
) -> _Receipt:
    """Writes a file on this machine, uploads it and its receipt, removes it, and returns what `write` returned.

    Args:
      url: URL of the finished file.
      write: Function that writes the bytes to a path and returns what the receipt says of them.
      as_json: Function that turns this into JSON's types.
      scratch: Folder for the file. If this machine does not have it, the system's temporary folder.
      then: What to do after a failure, for messages.

    Raises DestinationError if the file cannot be written or uploaded.
    """
    with _scratch_file(url, scratch) as path:
        try:
            receipt = write(path)
        except OSError as error:
            raise unwritable(path, error, then=then) from error
        stored = bucket.upload(path, url)
    words = {"receipt": as_json(receipt), "object": {"size": stored.size, "tag": stored.tag}}
    bucket.write(_receipt_url(url), json.dumps(words).encode())
    return receipt


def uploaded_receipt(url: str) -> Any:
    """Returns the receipt of a file that is uploaded and unchanged, in JSON's types; otherwise None."""
    data = bucket.read(_receipt_url(url))
    if data is None:
        return None
    try:
        words = json.loads(data)
        size, tag = words["object"]["size"], words["object"]["tag"]
    except (ValueError, KeyError, TypeError):
        return None
    stored = bucket.look(url)
    return words.get("receipt") if stored is not None and (stored.size, stored.tag) == (size, tag) else None


@contextlib.contextmanager
def _scratch_file(url: str, scratch: str) -> Iterator[str]:
    folder = scratch if os.path.isdir(scratch) else tempfile.gettempdir()
    descriptor, path = tempfile.mkstemp(PARTIAL_SUFFIX, f"{url.rpartition('/')[2]}.", folder)
    os.close(descriptor)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _receipt_url(url: str) -> str:
    return f"{url}.json"
