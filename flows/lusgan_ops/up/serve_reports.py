"""Serves the reports in a store over HTTP: ``python -m ... STORE PORT [ADDRESS]``.

Pages and pictures below ``reports/`` are served, read-only, to who says the login that
``PREFECT_API_AUTH_STRING`` names (NAME:PASSWORD, as Prefect's own clients do); manifests, which
name patients, are not. It listens on 127.0.0.1, unless another address is given (a container's,
which publishes it on 127.0.0.1), and answers under the names of this machine and the one in
``LUSGAN_REPORTS_URL`` alone, so that no page of another site gets at it by a name of its own.
"""

from __future__ import annotations

import base64
import hmac
import os
import socket
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lusgan_core.errors import ConfigError, LusganError, MissingArtifactError
from lusgan_core.store import LocalStore, Store, open_store
from lusgan_ops.up.login import CLIENT

PAGES = "reports/"
TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".gif": "image/gif"}
HEALTH = "/health"
"""Says that the server is there, without a login, and nothing else."""
HERE = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    # a report is one page with its pictures and styles in it, and has no script
    "Content-Security-Policy": (
        "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TIMEOUT_S = 20.0
"""Time that a client has for its request, and for taking each part of the answer, seconds."""
LONGEST_S = 60.0
"""Time that a connection may last, however slowly its client goes on, seconds."""
AT_ONCE = 32
"""Largest number of connections; further ones wait."""


class ReportServer(ThreadingHTTPServer):
    """An HTTP server of the reports in one store."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], store: Store, login: str, names: frozenset[str] = HERE
    ) -> None:
        """Listen.

        Args:
            address: Host and port.
            store: Whose reports are served.
            login: NAME:PASSWORD that requests must carry.
            names: Host names under which it may be asked.
        """
        self.store, self.names = store, names
        self.authorization = b"Basic " + base64.b64encode(login.encode())
        self._places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, _Handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer in a thread, once there is a place.

        Args:
            request: The connection.
            client_address: Who asks.
        """
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer within the time there is, then give the place back.

        Args:
            request: The connection.
            client_address: Who asks.
        """
        end = threading.Timer(LONGEST_S, _hang_up, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell of an error of ours; who goes away or takes too long is none.

        Args:
            request: The connection.
            client_address: Who asked.
        """
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"a request failed: {type(error).__name__}: {error}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    timeout = TIMEOUT_S
    server_version, sys_version = "lusgan", ""

    def do_GET(self) -> None:
        """Answer with a page of a report, or a picture."""
        path = unquote(urlsplit(self.path).path)
        if not self._named_well():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"no such host")
        elif path == HEALTH:
            self._answer(HTTPStatus.OK, b"ok")
        elif not self._signed_in():
            self._answer(HTTPStatus.UNAUTHORIZED, b"sign in as for Prefect's UI")
        elif path == "/":
            self._answer(HTTPStatus.OK, b"lusgan: reports are linked from the Prefect UI")
        else:
            self._page(path.removeprefix("/"))

    def do_HEAD(self) -> None:
        """Answer as to a GET, without the content."""
        self.do_GET()

    def _named_well(self) -> bool:
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname in self.server.names
        except ValueError:
            return False

    def _signed_in(self) -> bool:
        said = self.headers.get("Authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(said, self.server.authorization)

    def _page(self, key: str) -> None:
        kind = TYPES.get(PurePosixPath(key).suffix)
        if not key.startswith(PAGES) or kind is None:
            self._answer(HTTPStatus.NOT_FOUND, b"not a report")
            return
        try:
            if _leads_elsewhere(self.server.store, key):
                raise MissingArtifactError(key)
            self._answer(HTTPStatus.OK, self.server.store.get(key), kind)
        except MissingArtifactError:
            self._answer(HTTPStatus.NOT_FOUND, b"this report is not in the store any more")
        except LusganError as error:
            print(error, file=sys.stderr)  # for the operator, in the log
            self._answer(HTTPStatus.BAD_GATEWAY, b"the store does not give this report")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="lusgan", charset="UTF-8"')
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing of a request: addresses may hold anything."""


def _hang_up(request: socket.socket | tuple[bytes, socket.socket]) -> None:
    if isinstance(request, socket.socket):
        with suppress(OSError):  # it has ended
            request.shutdown(socket.SHUT_RDWR)


def _leads_elsewhere(store: Store, key: str) -> bool:
    """Whether a link in a folder of a store stands between the store and an object."""
    return isinstance(store, LocalStore) and store.path(key).resolve() != store.root.resolve() / key


def served(store: Store, address: tuple[str, int]) -> ReportServer:
    """Make the server that the environment describes.

    Args:
        store: Whose reports are served.
        address: Host and port.

    Returns:
        The server, which listens.

    Raises:
        ConfigError: The environment names no login.
    """
    login = os.environ.get(CLIENT, "")
    if not all(login.partition(":")):
        raise ConfigError(f"reports are for those who sign in: set {CLIENT} to NAME:PASSWORD")
    public = urlsplit(os.environ.get("LUSGAN_REPORTS_URL", "")).hostname
    return ReportServer(address, store, login, HERE | ({public} if public else set()))


def main() -> None:
    """Serve until stopped."""
    address = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    try:
        server = served(open_store(sys.argv[1]), (address, int(sys.argv[2])))
    except LusganError as error:
        sys.exit(str(error))
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
