"""Writes a file and its receipt, all or nothing. The receipt of `shard` is `shard.json`, and says what it holds."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import xxhash

from ilsvrc_tfds.errors import unwritable
from ilsvrc_tfds.storage.files import partial_path, sync_file
from ilsvrc_tfds.storage.staging import receipt_path

_Receipt = TypeVar("_Receipt")

# Bytes of a read or a write. A file that was written 1 MB at a time took up to twice as long (Linux 6.18, ext4): the
# kernel looks for memory in pieces of that size.
CHUNK_BYTES = 128 << 10


def write_with_receipt(
    path: str,
    write: Callable[[str], _Receipt],
    as_json: Callable[[_Receipt], object],
    *,
    sync: bool,
    then: str,
) -> _Receipt:
    """Writes a file, then its receipt, and returns what `write` returned.

    >>> from pathlib import Path
    >>> write_with_receipt("/data/shard", lambda path: Path(path).write_bytes(b"records"), int, sync=False, then="")
    7
    >>> Path("/data/shard.json").read_text()
    '7'

    Args:
      path: Path of the finished file.
      write: Function that writes the bytes to a path and returns what the receipt says of them.
      as_json: Function that turns this into JSON's types.
      sync: Whether the bytes must be on disk before the file gets its name.
      then: What to do after a failure, for messages.

    Raises:
      DestinationError: A file cannot be written.
    """
    partial, partial_receipt = (partial_path(path) for _ in range(2))
    try:
        receipt = write(partial)
        if sync:
            sync_file(partial)
        # The receipt is not synced: its digest is compared with the file's bytes.
        with open(partial_receipt, "w") as file:
            json.dump(as_json(receipt), file)
        os.replace(partial, path)
        os.replace(partial_receipt, receipt_path(path))
    except OSError as error:
        raise unwritable(path, error, then=then) from error
    finally:
        for left in (partial, partial_receipt):
            with contextlib.suppress(OSError):
                os.unlink(left)
    return receipt


def whole_receipt(path: str) -> dict[str, Any] | None:
    """Returns the receipt of a file that exists and has the bytes that were written, or None.

    >>> whole_receipt("/data/no-such-shard") is None
    True
    """
    try:
        with open(receipt_path(path), "rb") as file:
            receipt = dict(json.load(file))
        whole = os.path.getsize(path) == receipt["file_bytes"] and file_digest(path) == receipt["digest"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return receipt if whole else None


def file_digest(path: str) -> str:
    """Returns XXH3 (64 bits) of the bytes of a file, hexadecimal. Raises OSError.

    >>> file_digest("/dev/null")
    '2d06800538d394c2'
    """
    digest = xxhash.xxh3_64()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
