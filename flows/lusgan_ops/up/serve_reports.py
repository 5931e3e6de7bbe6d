"""Serves the reports in a store over HTTP: ``python -m ... STORE PORT [ADDRESS]``.

Only what lies below ``reports/`` is served, read-only. It listens on 127.0.0.1, unless another
address is given (a container's, which publishes it on 127.0.0.1).
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lusgan_core.errors import LusganError, MissingArtifactError
from lusgan_core.store import Store, open_store

PAGES = "reports/"
TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}


def handler(store: Store) -> type[BaseHTTPRequestHandler]:
    """The handler of requests for the reports in a store."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a page of a report."""
            key = unquote(urlsplit(self.path).path).lstrip("/")
            if not key:
                self._answer(200, b"lusgan: reports are linked from the Prefect UI", "text/plain")
                return
            kind = TYPES.get(PurePosixPath(key).suffix)
            if not key.startswith(PAGES) or kind is None:
                self._answer(404, b"not a report", "text/plain")
                return
            try:
                self._answer(200, store.get(key), kind)
            except MissingArtifactError:
                self._answer(404, b"this report is not in the store any more", "text/plain")
            except LusganError as error:
                self._answer(502, str(error).encode(), "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    """Serve until stopped."""
    store, port = open_store(sys.argv[1]), int(sys.argv[2])
    address = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    with ThreadingHTTPServer((address, port), handler(store)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
