"""Small files that machines exchange: in a folder that all of them see under one path, or in a bucket."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds.storage import bucket
from ilsvrc_tfds.storage.bucket import bucket_url
from ilsvrc_tfds.storage.files import destination_errors, write_whole


def make_shared(above: str | os.PathLike, prefix: str, name: str) -> str:
    """Returns the path, or URL, of a new folder. Others with the same prefix, of drivers that were killed, are removed.

    >>> make_shared("/data/", "jobs-", "1")
    '/data/jobs-1'

    Args:
      above: Folder that all machines see under this path, or its URL.
      prefix: First letters of the name.
      name: Rest of the name.
    """
    if (url := bucket_url(above)) is not None:
        left = [left for left in bucket.listed(url, writing=True) if left.startswith(prefix)]
        bucket.remove_all(f"{url}/{left_over}" for left_over in left)
        return f"{url}/{prefix}{name}"
    for left_over in Path(above).glob(f"{prefix}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(above, prefix + name)
    with destination_errors(folder):
        folder.mkdir()
    return str(folder)


def write_shared(folder: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Writes files, each all or nothing, several at a time in a bucket. Raises DestinationError.

    >>> write_shared("/data/", [("one", b"1")])
    """
    if bucket_url(folder) is not None:
        bucket.at_once(lambda file: bucket.write(f"{folder}/{file[0]}", file[1]), files)
        return
    for name, data in files:
        write_whole(os.path.join(folder, name), data, sync=False)


def read_shared(folder: str, name: str) -> bytes | None:
    """Returns the content of a file, or None if it does not exist. Raises OSError, SourceError.

    >>> read_shared("/data/", "note"), read_shared("/data/", "nothing")
    (b'text', None)
    """
    if bucket_url(folder) is not None:
        return bucket.read(f"{folder}/{name}")
    try:
        return Path(folder, name).read_bytes()
    except FileNotFoundError:
        return None


def remove_shared(folder: str) -> None:
    """Removes a folder with its files.

    >>> remove_shared("/data/no-such-folder")
    """
    if (url := bucket_url(folder)) is not None:
        bucket.remove_all(f"{url}/{name}" for name in bucket.listed(url, writing=True))
    else:
        shutil.rmtree(folder, ignore_errors=True)
