"""What the errors of stores mean: whether to try again, and what to do about them, on one line."""

import errno
from collections.abc import Iterator

from ilsvrc_tfds.errors import DestinationError, IlsvrcError, InterruptedRun, SourceError

# Timeouts, limits of the rate, and failures of the server. 501 is a request that the store does not know.
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
# Modules of errors that come from the connection, or from a server that says nothing of use.
_OF_THE_CONNECTION = ("aiohttp", "requests", "urllib3", "google.auth.exceptions.TransportError")
# s3fs turns 500 and 503 into these.
_BUSY = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT}

_LOG_IN = {
    "gs": "Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    "s3": "Log in with `aws configure` or `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}
_ROLES = {
    "gs": "They need the role `Storage Object User` (roles/storage.objectUser) on the bucket",
    "s3": "They need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject in it",
}
_CREATE = {"gs": "`gcloud storage buckets create gs://{}`", "s3": "`aws s3 mb s3://{}`"}
_NO_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError", "TokenRetrieval"),
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
    *("Invalid Credentials", "Anonymous caller"),
)
_KEPT = "Finished shards are kept: run the same command again to continue."


def is_transient(error: BaseException) -> bool:
    """Returns whether an error may pass, so that the request is tried again.

    >>> is_transient(ConnectionResetError()), is_transient(PermissionError())
    (True, False)
    """
    if _has_no_credentials(error):
        return False
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT
    return any(
        isinstance(one, (ConnectionError, TimeoutError))
        or f"{type(one).__module__}.{type(one).__name__}".startswith(_OF_THE_CONNECTION)
        or type(one).__name__ in ("HTTPClientError", "ResponseParserError", "IncompleteRead", "FSTimeoutError")
        or any(base.__name__ == "HTTPClientError" for base in type(one).__mro__)
        or isinstance(one, OSError)
        and one.errno in _BUSY
        for one in _chain(error)
    )


def as_error(url: str, error: BaseException, *, writing: bool, seconds: float) -> IlsvrcError:
    """Returns the error to raise for an error of a store.

    Args:
      url: URL of the object.
      error: Error of the library.
      writing: Whether the object was to be written, so that it is a DestinationError; otherwise a SourceError.
      seconds: Time for which the request has been tried.

    >>> print(as_error("s3://bucket/tfds", PermissionError("Access Denied"), writing=True, seconds=0))
    s3://bucket/tfds cannot be written: Access Denied. These credentials may not do that. They need s3:ListBucket ...
    """
    kind = DestinationError if writing else SourceError
    scheme, bucket = url.partition("://")[0], url.partition("://")[2].partition("/")[0]
    what = f"{url} cannot be {'written' if writing else 'read'}"
    status, reason = _status(error), _reason(error)
    again = _KEPT if writing else "Try again later."
    if _has_no_credentials(error) or status == 401:
        return kind(f"{what}: there are no valid credentials ({reason}). {_LOG_IN[scheme]}.")
    if "quota" in reason.lower() or "exceeded" in reason.lower() and status in (403, 413):
        return kind(f"{what}: a quota is used up ({reason}). Raise it, or choose another bucket. {again}")
    if status == 403 or isinstance(error, PermissionError) or "Forbidden" in reason:
        return kind(f"{what}: {reason}. These credentials may not do that. {_ROLES[scheme]}.")
    if status == 429:
        return InterruptedRun(
            f"{what}: the store has limited the rate of requests for {seconds:.0f} s. Use fewer workers (--workers). "
            f"{again}"
        )
    if is_transient(error):
        return InterruptedRun(f"{what}: the store has not answered for {seconds:.0f} s ({reason}). {again}")
    if isinstance(error, FileNotFoundError):
        create = _CREATE[scheme].format(bucket)
        return kind(f"{what}: there is no bucket {bucket!r}, or no such object. Check the name, or create it: {create}")
    return kind(f"{what}: {reason}. Check the URL and the settings of the bucket.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: BaseException) -> int | None:
    """Returns the HTTP status of an error, or None if there is none."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        stated = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        for value in (stated, getattr(one, "code", None), getattr(one, "status", None)):
            if isinstance(value, (int, str)) and str(value).isdecimal():
                return int(value)
    return None


def _has_no_credentials(error: BaseException) -> bool:
    return any(name in f"{type(one).__name__} {_code(one)} {one}" for one in _chain(error) for name in _NO_CREDENTIALS)


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _reason(error: BaseException) -> str:
    """Returns the reason on one line, of at most 200 characters."""
    text = next((str(one) for one in _chain(error) if str(one).strip()), "") or type(error).__name__
    return " ".join(text.split()).removeprefix("[Errno 5] ")[:200].rstrip(".")
