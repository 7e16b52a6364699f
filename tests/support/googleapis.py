"""Lets TensorFlow's own client of Google Cloud Storage, whose addresses are fixed, talk to a server on loopback.

The client honours `https_proxy` and `CURL_CA_BUNDLE`. So it is given a proxy that answers `CONNECT …googleapis.com:443`
itself, with a certificate of an authority that was made for the test, and passes the requests on to the server.
"""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stores

HOSTS = ("storage.googleapis.com", "www.googleapis.com")


@contextlib.contextmanager
def googleapis(server: stores.Server, folder: Path) -> Iterator[dict[str, str]]:
    """Runs the proxy during the block, and yields the environment for processes that load TensorFlow.

    Args:
      server: Server to which the requests are passed on.
      folder: Folder for the certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(folder))
    target = server.address.removeprefix("http://")
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []
    threading.Thread(target=_serve, args=(listening, context, target, asked), daemon=True).start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    names = {"https_proxy": address, "HTTPS_PROXY": address, "CURL_CA_BUNDLE": str(folder / "ca.pem")}
    try:
        yield {**names, "NO_GCE_CHECK": "true", "GCS_RETRY_CONFIG_MAX_RETRIES": "2"}
    finally:
        listening.close()
    assert asked, "TensorFlow's client has not asked the proxy"


def _serve(listening: socket.socket, context: ssl.SSLContext, target: str, asked: list[str]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_handle, args=(connection, context, target, asked), daemon=True).start()


def _handle(connection: socket.socket, context: ssl.SSLContext, target: str, asked: list[str]) -> None:
    with contextlib.suppress(OSError, ValueError), connection:
        host = _head(connection.makefile("rb", buffering=0)).split()[1]
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            file = secure.makefile("rb")
            while line := file.readline().decode():
                method, path, _ = line.split()
                headers = http.client.parse_headers(file)
                body = file.read(int(headers.get("Content-Length") or 0))
                asked.append(f"{method} {host} {path}")
                secure.sendall(_answer(target, method, path, headers, body))


def _head(file) -> str:
    first = file.readline().decode()
    while file.readline().strip():
        pass
    return first


def _answer(target: str, method: str, path: str, headers, body: bytes) -> bytes:
    there = http.client.HTTPConnection(target, timeout=60)
    try:
        kept = {k: v for k, v in headers.items() if k.lower() not in ("connection", "accept-encoding", "authorization")}
        there.request(method, path, body, kept)
        answer = there.getresponse()
        data = answer.read()
    finally:
        there.close()
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{k}: {v}" for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "content-length")]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Makes an authority, `ca.pem`, and a certificate of it for the hosts; returns the paths of that and its key."""
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    (folder / "names").write_text(f"subjectAltName={names}\n")
    commands = (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority",
        "req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=storage.googleapis.com",
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 2 -extfile names",
    )
    for command in commands:
        try:
            subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
    return folder / "own.pem", folder / "own.key"


def client_environment(environment: dict[str, str]) -> dict[str, str]:
    """Returns the environment of this process with that of the proxy, which is for TensorFlow alone: not for loopback."""
    return {**os.environ, **environment, "no_proxy": "127.0.0.1,localhost"}
