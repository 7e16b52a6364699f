"""Paths in buckets, which look like other paths, so that messages and next steps name them as the user did."""

import os
import sys
from pathlib import Path

from ilsvrc_tfds.storage.bucket import bucket_url


class BucketPath(type(Path())):  # type: ignore[misc]  # PosixPath, whose name differs on other systems
    """A path in a bucket, whose text is its URL. It only names something: `bucket` reads and writes it.

    >>> BucketPath("gs://bucket/tfds") / "ilsvrc2012"
    BucketPath('gs://bucket/tfds/ilsvrc2012')
    >>> str(BucketPath(Path("s3://bucket/tfds")).parent)
    's3://bucket'
    """

    if sys.version_info < (3, 12):
        __slots__ = ()

    def __str__(self) -> str:
        return bucket_url(super().__str__()) or super().__str__()

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def expanduser(self) -> "BucketPath":
        return self

    def absolute(self) -> "BucketPath":
        return self

    def resolve(self, strict: bool = False) -> "BucketPath":
        return self


def place(path: str | os.PathLike) -> Path:
    """Returns a path that the user has named: one in a bucket as a BucketPath, any other with `~` expanded.

    >>> place("gs://bucket/tfds"), place("/data/tfds")
    (BucketPath('gs://bucket/tfds'), PosixPath('/data/tfds'))
    """
    url = bucket_url(path)
    return Path(path).expanduser() if url is None else BucketPath(url)
