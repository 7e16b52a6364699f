"""A proxy in front of a store's server: it counts the requests that change something, and fails or stops on demand."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import stores


class Proxy:
    """A running proxy.

    Attributes:
      address: Address of the proxy, for clients.
      writes: Number of requests so far that write, copy or remove an object.
      before_write: Function that is called with their number before each of them is passed on.
      status: Status with which all requests are refused, 0 for none.
      refused: Number of requests that were refused.
    """

    def __init__(self, server: stores.Server):
        self._target = urlsplit(server.address).netloc
        self._lock = threading.Lock()
        self.writes, self.refused, self.status = 0, 0, 0
        self.before_write: Callable[[int], None] = lambda number: None
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy.pass_on(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: object) -> None:
                """Does nothing: clients are killed, and servers end."""

        self._own = Server(("127.0.0.1", 0), Handler)
        self.scheme = server.scheme
        self.address = f"http://127.0.0.1:{self._own.server_address[1]}"
        self._thread = threading.Thread(target=self._own.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def pass_on(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(size) if size else b""
        if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = _unchunked(handler.rfile)
        if handler.command in ("PUT", "POST", "DELETE"):
            with self._lock:
                self.writes += 1
                self.before_write(self.writes)
        if self.status:
            self.refused += 1
            _answer(handler, self.status, [], b"")
            return
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("transfer-encoding", "connection")}
        headers["Content-Length"] = str(len(body))
        there = http.client.HTTPConnection(self._target, timeout=60)
        try:
            there.request(handler.command, handler.path, body, headers)
            answer = there.getresponse()
            data = answer.read()
        finally:
            there.close()
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")]
        _answer(handler, answer.status, kept, data)

    def stop(self) -> None:
        """Ends the proxy: nobody listens at its address any more, and open connections are refused."""
        self.status = 503
        self._own.shutdown()
        self._own.server_close()


def _answer(handler: http.server.BaseHTTPRequestHandler, status: int, headers: list, data: bytes) -> None:
    handler.send_response_only(status)
    has_length = False
    for name, value in headers:
        has_length = has_length or name.lower() == "content-length"
        handler.send_header(name, value)
    if not has_length:
        handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    with contextlib.suppress(OSError):  # the client was killed
        handler.wfile.write(b"" if handler.command == "HEAD" else data)


def _unchunked(file) -> bytes:
    data = b""
    while size := int(file.readline().split(b";")[0], 16):
        data += file.read(size)
        file.readline()
    while file.readline().strip():  # trailers
        pass
    return data


@contextlib.contextmanager
def passing_on(server: stores.Server) -> Iterator[Proxy]:
    """Runs a proxy in front of a server during the block."""
    proxy = Proxy(server)
    try:
        yield proxy
    finally:
        with contextlib.suppress(OSError):
            proxy.stop()
