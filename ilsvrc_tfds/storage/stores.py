"""The stores behind URLs: Google Cloud Storage (gs://) and S3 (s3://), through fsspec.

Each class turns the few operations that this package needs into the requests of one store. Nothing is retried here, and
the errors are those of the libraries: see `bucket`. fsspec and the libraries are loaded when a URL is first used.
"""

import base64
import contextlib
import functools
import importlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import google_crc32c

from ilsvrc_tfds.errors import OptionError

_CHUNK_BYTES = 8 << 20
# An object with its name, in one request. Not `uploadType=media`: fake-gcs-server ignores preconditions there.
_MULTIPART = (
    b"--==\r\nContent-Type: application/json\r\n\r\n%s\r\n"
    b"--==\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n--==--"
)
# S3 takes no part of less than 5 MiB. Two parts are sent at a time, so that a worker holds 64 MiB at most.
_PART_BYTES, _PARTS = 32 << 20, 2


class Stored(NamedTuple):
    """What a store says of an object.

    Attributes:
      size: Number of bytes.
      tag: Text that the store derives from the bytes: the CRC32C (gs://) or the ETag (s3://).
      version: Text that differs after each write: the generation (gs://) or the ETag (s3://).
      modified: Time of the last write by the store's clock, in seconds since 1970.

    >>> Stored(4, "yZRlqg==", "1", 0.0).size
    4
    """

    size: int
    tag: str
    version: str
    modified: float


class Store(Protocol):
    """The operations on objects, each named by bucket and key. Errors are those of the libraries."""

    def look(self, bucket: str, key: str) -> Stored:
        """Returns what the store says of an object. Raises FileNotFoundError."""

    def listed(self, bucket: str, prefix: str) -> Iterator[tuple[str, Stored]]:
        """Yields the key of each object that begins with a prefix. Raises FileNotFoundError if there is no bucket."""

    def read(self, bucket: str, key: str, offset: int = 0, size: int | None = None) -> bytes:
        """Returns the bytes of an object, from an offset, and at most so many. Raises FileNotFoundError."""

    def write(self, bucket: str, key: str, data: bytes, instead_of: str | None = None) -> Stored:
        """Writes an object.

        Args:
          bucket: Name of the bucket.
          key: Key of the object.
          data: Bytes of the object.
          instead_of: Version that the object must have, or "" if it must not exist. None replaces any.

        Raises FileExistsError if the object has another version.
        """

    def upload(self, path: str, bucket: str, key: str) -> None:
        """Uploads a file as a whole; an object of that name is replaced at the end of the upload."""

    def download(self, bucket: str, key: str, path: str) -> None:
        """Downloads an object to a file."""

    def copy(self, bucket: str, key: str, to: str) -> None:
        """Copies an object within its bucket, without a way through this machine."""

    def remove(self, bucket: str, key: str) -> None:
        """Removes an object. Does nothing if it does not exist."""

    def drop_parts(self, bucket: str, prefix: str) -> None:
        """Removes the parts of uploads that were killed, if the store keeps them, of keys with a prefix."""

    def tag_of(self, path: str) -> str:
        """Returns the tag that the store gives to a file's bytes, or "" if that cannot be known."""


class GoogleStorage:
    """Google Cloud Storage. The environment variable STORAGE_EMULATOR_HOST names another server."""

    def __init__(self) -> None:
        self._fs = _file_system("gs", "gcsfs", "gcs")

    def look(self, bucket: str, key: str) -> Stored:
        return _google(self._fs.call("GET", "b/{}/o/{}", bucket, key, json_out=True))

    def listed(self, bucket: str, prefix: str) -> Iterator[tuple[str, Stored]]:
        page: str | None = ""
        while page is not None:
            more = {"pageToken": page} if page else {}
            found = self._fs.call("GET", "b/{}/o", bucket, prefix=prefix, json_out=True, **more)
            yield from ((item["name"], _google(item)) for item in found.get("items") or ())
            page = found.get("nextPageToken")

    def read(self, bucket: str, key: str, offset: int = 0, size: int | None = None) -> bytes:
        return self._fs.cat_file(f"{bucket}/{key}", **_range(offset, size))

    def write(self, bucket: str, key: str, data: bytes, instead_of: str | None = None) -> Stored:
        condition = {} if instead_of is None else {"ifGenerationMatch": instead_of or "0"}
        place = f"{self._fs._location}/upload/storage/v1/b/{{}}/o"
        body = _MULTIPART % (json.dumps({"name": key}).encode(), data)
        headers = {"Content-Type": 'multipart/related; boundary="=="'}
        options = {"uploadType": "multipart", "headers": headers, "data": body, "json_out": True}
        return _google(self._fs.call("POST", place, bucket, **options, **condition))

    def upload(self, path: str, bucket: str, key: str) -> None:
        self._fs.put_file(path, f"{bucket}/{key}", chunksize=_PART_BYTES, content_type="application/octet-stream")

    def download(self, bucket: str, key: str, path: str) -> None:
        self._fs.get_file(f"{bucket}/{key}", path)

    def copy(self, bucket: str, key: str, to: str) -> None:
        self._fs.cp_file(f"{bucket}/{key}", f"{bucket}/{to}")

    def remove(self, bucket: str, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.call("DELETE", "b/{}/o/{}", bucket, key)

    def drop_parts(self, bucket: str, prefix: str) -> None:
        """Does nothing: the store removes them within a week, and charges nothing for them."""

    def tag_of(self, path: str) -> str:
        """Returns the CRC32C in base64, as the store does."""
        checksum = google_crc32c.Checksum()
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                checksum.update(chunk)
        return base64.b64encode(checksum.digest()).decode()


class S3:
    """S3, or a store with its interface: the environment variable AWS_ENDPOINT_URL names another server.

    botocore sends a CRC32 with each part of an upload, and S3 refuses a part that does not match it.
    """

    def __init__(self) -> None:
        self._fs = _file_system("s3", "s3fs", "s3")

    def look(self, bucket: str, key: str) -> Stored:
        found = self._fs.call_s3("head_object", Bucket=bucket, Key=key)
        return _amazon(found["ContentLength"], found)

    def listed(self, bucket: str, prefix: str) -> Iterator[tuple[str, Stored]]:
        more: dict[str, str] | None = {}
        while more is not None:
            found = self._fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
            yield from ((item["Key"], _amazon(item["Size"], item)) for item in found.get("Contents") or ())
            more = {"ContinuationToken": found["NextContinuationToken"]} if found.get("IsTruncated") else None

    def read(self, bucket: str, key: str, offset: int = 0, size: int | None = None) -> bytes:
        return self._fs.cat_file(f"{bucket}/{key}", **_range(offset, size))

    def write(self, bucket: str, key: str, data: bytes, instead_of: str | None = None) -> Stored:
        condition = {} if instead_of is None else {"IfMatch": instead_of} if instead_of else {"IfNoneMatch": "*"}
        try:
            self._fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
        except OSError as error:
            if condition and _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
                raise FileExistsError(f"{bucket}/{key}") from error
            raise
        return self.look(bucket, key)

    def upload(self, path: str, bucket: str, key: str) -> None:
        self._fs.put_file(path, f"{bucket}/{key}", chunksize=_PART_BYTES, max_concurrency=_PARTS)

    def download(self, bucket: str, key: str, path: str) -> None:
        self._fs.get_file(f"{bucket}/{key}", path)

    def copy(self, bucket: str, key: str, to: str) -> None:
        self._fs.cp_file(f"{bucket}/{key}", f"{bucket}/{to}")

    def remove(self, bucket: str, key: str) -> None:
        self._fs.call_s3("delete_object", Bucket=bucket, Key=key)

    def drop_parts(self, bucket: str, prefix: str) -> None:
        """Removes the parts of uploads. Does nothing if the credentials do not allow that, which is seldom granted."""
        with contextlib.suppress(PermissionError):
            found = self._fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix)
            for upload in found.get("Uploads") or ():
                own = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                self._fs.call_s3("abort_multipart_upload", **own)

    def tag_of(self, path: str) -> str:
        """Returns "": an ETag depends on the parts of the upload, and on how the bucket encrypts."""
        return ""


# The store of each scheme.
STORES: dict[str, type[GoogleStorage] | type[S3]] = {"gs": GoogleStorage, "s3": S3}


@functools.cache
def store_of(scheme: str) -> Store:
    """Returns the store of a scheme, `gs` or `s3`. Raises OptionError if its package is missing."""
    return STORES[scheme]()


def _file_system(scheme: str, package: str, extra: str) -> Any:
    try:
        # Not `fsspec.filesystem`: for gs:// that may be a class which asks each bucket, by gRPC, whether it is zonal.
        made = importlib.import_module(f"{package}.core")
        kind = _without_retries(made.GCSFileSystem) if scheme == "gs" else made.S3FileSystem
        file_system = kind(use_listings_cache=False)  # listings that are kept would hide what other processes write
    except ImportError as error:
        raise OptionError(
            f"{scheme}:// needs the package {package} ({error}). Install it: "
            f'python -m pip install "ilsvrc-tfds[{extra}]"'
        ) from error
    # They print tracebacks of errors that are retried here, or reported on one line.
    for name in ("gcsfs", "s3fs", "google.auth", "aiobotocore", "botocore", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return file_system


def _without_retries(kind: type) -> type:
    """Returns gcsfs's class without its own retries, which take 35 s, however soon a caller wants to give up."""
    request = getattr(kind._request, "__wrapped__", None)  # type: ignore[attr-defined]
    return kind if request is None else type(kind.__name__, (kind,), {"_request": request})


def _range(offset: int, size: int | None) -> dict[str, int]:
    return {"start": offset} | ({} if size is None else {"end": offset + size}) if offset or size is not None else {}


def _google(found: dict[str, Any]) -> Stored:
    modified = datetime.fromisoformat(found["updated"].replace("Z", "+00:00")).timestamp()
    return Stored(int(found["size"]), found.get("crc32c", ""), str(found["generation"]), modified)


def _amazon(size: int, found: dict[str, Any]) -> Stored:
    tag = found["ETag"].strip('"')
    return Stored(size, tag, tag, found["LastModified"].timestamp())


def _code(error: BaseException) -> str:
    """Returns S3's name of an error that s3fs has translated; empty if it has none."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
