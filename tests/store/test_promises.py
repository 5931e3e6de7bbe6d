"""A server that cannot keep a store's promises is refused at the start, with what it cannot do."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from lusgan_core.errors import MissingError, StoreError
from lusgan_core.store import LocalStore, check_writable, open_store
from lusgan_ops.preflight.checks import storage

XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Server(http.server.BaseHTTPRequestHandler):
    """As much of S3 as a store needs, with one thing that it does otherwise (``flaw``)."""

    protocol_version = "HTTP/1.1"
    flaw = ""
    objects: dict[str, tuple[bytes, dict[str, str]]]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).partition("/bucket/")[2]

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"{XML}<Error><Code>{code}</Code></Error>".encode())

    def do_PUT(self) -> None:
        body = self._body()
        if self.flaw == "501" and "If-None-Match" in self.headers:
            return self._refuse(501, "NotImplemented")
        if self.flaw == "400" and "If-None-Match" in self.headers:
            return self._refuse(400, "InvalidArgument")
        if self.flaw == "checksums" and any("checksum" in n.lower() for n in self.headers):
            return self._refuse(400, "InvalidRequest")
        if (
            self.flaw != "ignores"
            and "If-None-Match" in self.headers
            and self._key() in self.objects
        ):
            return self._refuse(412, "PreconditionFailed")
        kept = {n: v for n, v in self.headers.items() if n.lower().startswith("x-amz-meta-")}
        self.objects[self._key()] = (body, kept)
        return self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        whole = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            number = int(size.partition(b";")[0], 16)
            if not number:
                break
            whole, body = whole + rest[:number], rest[number + 2 :]
        return whole

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            there = [] if self.flaw == "lags" else sorted(self.objects)
            items = "".join(
                f"<Contents><Key>{escape(k)}</Key><Size>{len(self.objects[k][0])}</Size>"
                '<ETag>"e"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>'
                for k in there
                if k.startswith(prefix)
            )
            body = (
                f"{XML}<ListBucketResult><Name>bucket</Name><Prefix>{escape(prefix)}</Prefix>"
                f"<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
                f"{items}</ListBucketResult>"
            )
            return self._answer(200, body.encode())
        if "versioning" in query:
            return self._answer(200, f"{XML}<VersioningConfiguration/>".encode())
        return self._object()

    def do_HEAD(self) -> None:
        self._object()

    def _object(self) -> None:
        if self._key() not in self.objects:
            return self._refuse(404, "NoSuchKey")
        body, kept = self.objects[self._key()]
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        wanted = self.headers.get("Range")
        if wanted and self.command == "GET":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            part = body[int(first) : int(last) + 1 if last else None]
            place = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
            return self._answer(206, part, ETag=tag, Content_Range=place, **kept)
        return self._answer(200, body, ETag=tag, **kept)

    def do_DELETE(self) -> None:
        self.objects.pop(self._key(), None)
        self._answer(204)


@contextmanager
def serving(flaw: str) -> Iterator[str]:
    """Serve a bucket with a flaw; gives the endpoint."""
    handler = type("Flawed", (Server,), {"flaw": flaw, "objects": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("ignores", "ignores If-None-Match"),
        ("501", r"refuses what a store needs, conditional writes .* update it"),
        ("400", r"refuses what a store needs, .*InvalidArgument"),
        ("checksums", r"refuses what a store needs, .*checksums .*InvalidRequest"),
        ("lags", "does not list what was just written"),
    ],
)
def test_a_broken_promise_is_refused(monkeypatch: pytest.MonkeyPatch, flaw: str, said: str) -> None:
    """By the check that begins every run and by `lusgan doctor`; nothing is left in the bucket."""
    with serving(flaw) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store = open_store("s3://bucket/prefix")
        with pytest.raises(StoreError, match=said):
            check_writable(store)
        with pytest.raises((StoreError, MissingError), match=said):
            storage("s3://bucket/prefix")


def test_a_server_that_keeps_them_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same server without a flaw does, or the test above would prove nothing."""
    with serving("") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store = open_store("s3://bucket/prefix")
        check_writable(store)
        assert list(store.list()) == []


def test_the_probe_leaves_nothing(tmp_path) -> None:
    """A folder is as it was."""
    store = LocalStore(tmp_path)
    check_writable(store)
    assert list(tmp_path.iterdir()) == []
