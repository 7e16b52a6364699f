"""Errors of stores: one line, with the cure."""

import os
import re
import subprocess
import sys

import proxy
import pytest
import stores

from ilsvrc_tfds.errors import DestinationError, InterruptedRun, SourceError
from ilsvrc_tfds.storage import bucket, uploads
from ilsvrc_tfds.storage.bucket_errors import as_error, is_transient


def said(*words: str, **environment: str | None) -> str:
    """Returns the one line that a command prints to standard error."""
    own = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    command = [sys.executable, "-W", "ignore", "-m", "ilsvrc_tfds", *words]
    process = subprocess.run(command, env=own, capture_output=True, text=True, timeout=120)
    assert process.returncode == 1, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    return process.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "there are no valid credentials .*(gcloud auth|aws configure)"),
        (403, "may not do that. They need .*(role|s3:)"),
    ],
)
def test_refusal_of_the_store_names_the_cure(status, text, store):
    with proxy.passing_on(store) as between:
        between.status = status
        line = said("verify", store.url("folder"), **{stores.ENDPOINTS[store.scheme]: between.address})
    assert re.search(text, line), line


@pytest.mark.slow
@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_missing_credentials_name_the_cure(store, tmp_path):
    line = said(
        *("verify", store.url("folder")), AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, HOME=str(tmp_path)
    )
    assert "Unable to locate credentials" in line and "Log in with `aws configure`" in line


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "package", "extra"), [("gs", "gcsfs", "gcs"), ("s3", "s3fs", "s3")])
def test_missing_package_names_the_extra(scheme, package, extra, tmp_path):
    (tmp_path / f"{package}.py").write_text("raise ImportError('not here')\n")
    line = said("verify", f"{scheme}://data/folder", PYTHONPATH=str(tmp_path))
    assert f'needs the package {package} (not here). Install it: python -m pip install "ilsvrc-tfds[{extra}]"' in line


def test_missing_bucket_names_the_command_that_makes_it(store):
    url = f"{store.scheme}://no-such-bucket/folder"
    for action in (lambda: bucket.listed(url, writing=True), lambda: bucket.write(f"{url}/x", b"")):
        with pytest.raises(DestinationError, match="no bucket 'no-such-bucket'.* create it: `(gcloud|aws) .*no-such-b"):
            action()
    with pytest.raises(SourceError, match="no bucket 'no-such-bucket'"):
        bucket.listed(url)


def test_limits_are_told_from_refusals():
    http = pytest.importorskip("gcsfs.retry").HttpError
    error = as_error(
        "gs://data/x", OSError("Forbidden: data/x\nThe quota of the project is used up"), writing=True, seconds=0
    )
    assert isinstance(error, DestinationError) and "a quota is used up" in str(error)
    slow = http({"code": 429, "message": "rateLimitExceeded"})
    assert is_transient(slow)
    assert isinstance(as_error("gs://data/x", slow, writing=True, seconds=300), InterruptedRun)
    assert "Use fewer workers (--workers)" in str(as_error("gs://data/x", slow, writing=True, seconds=300))
    assert not is_transient(http({"code": 404, "message": "no"})) and not is_transient(OSError("Forbidden: x"))
    assert is_transient(http({"code": 503, "message": ""})) and is_transient(ConnectionResetError())


def test_worker_without_the_scratch_folder_of_the_driver_uploads_too(store, tmp_path):
    url = store.url("uploads/shard")

    def write(path: str) -> int:
        with open(path, "wb") as file:
            return file.write(b"records")

    assert uploads.upload_with_receipt(url, write, int, scratch="/no/such/folder", then="") == 7
    assert uploads.uploaded_receipt(url) == 7
    bucket.write(url, b"record5")
    assert uploads.uploaded_receipt(url) is None  # the same size, and other bytes
    assert uploads.uploaded_receipt(store.url("uploads/other")) is None


# aiohttp advises against what gcsfs does.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_parts_of_a_large_upload_are_whole(store, tmp_path, monkeypatch):
    data = os.urandom(1 << 20) * 80
    (tmp_path / "large").write_bytes(data)
    stored = bucket.upload(tmp_path / "large", store.url("large file"))
    assert stored.size == len(data)
    bucket.download(store.url("large file"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert bucket.read(store.url("large file"), 5, 7) == data[5:12]


def test_damaged_upload_is_repeated_and_given_up(store, tmp_path, monkeypatch):
    from ilsvrc_tfds.storage import stores as own

    (tmp_path / "file").write_bytes(b"text")
    kind = type(own.store_of(store.scheme))
    monkeypatch.setenv("ILSVRC2012_BUCKET_PATIENCE", "1")
    upload, damaged = kind.upload, []

    def damage(self, path, name, key):
        damaged.append(key)
        (tmp_path / "other").write_bytes(b"tex")
        return upload(self, str(tmp_path / "other"), name, key)

    monkeypatch.setattr(kind, "upload", damage)
    with pytest.raises(InterruptedRun, match="the upload was damaged"):
        bucket.upload(tmp_path / "file", store.url("damaged"))
    assert bucket.look(store.url("damaged")) is None
    monkeypatch.setattr(bucket, "_given_up", {})
    monkeypatch.setattr(kind, "upload", lambda *a: damage(*a) if len(damaged) < 2 else upload(*a))
    damaged.clear()
    monkeypatch.setenv("ILSVRC2012_BUCKET_PATIENCE", "20")
    assert bucket.upload(tmp_path / "file", store.url("damaged")).size == 4 and len(damaged) == 2
