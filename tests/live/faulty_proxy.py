"""An HTTP proxy on loopback that goes wrong on purpose, as often as told, in eleven ways.

It hands whole requests on and whole answers back, unless a fault is drawn. Faults come from one
seeded generator; ``counts`` says how many of each kind there were.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self
from urllib.parse import urlsplit

BUSY = (
    b"HTTP/1.1 503 Busy\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
    b"<Error><Code>%s</Code><Message>try again</Message></Error>"
)


class _BrokenError(Exception):
    """The connection to the client is to be reset."""


@dataclass
class Message:
    """A request or an answer: everything up to the empty line, and the body as it was sent."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class FaultyProxy:
    """Runs in threads inside a ``with`` block; ``endpoint`` is its address."""

    def __init__(self, upstream: str, seed: int, rate: float = 0.0) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname, parts.port)
        self.rng, self.rate = random.Random(seed), rate
        self.counts: Counter[str] = Counter()
        self.requests: list[bytes] = []
        """First line of each request, and its Range, in the order of arrival."""
        self.faults: dict[str, Callable[[socket.socket, Message], None]] = {
            "refused": self._refuse,
            "reset in the request": self._reset_request,
            "truncated request": self._truncate_request,
            "reset in the answer": self._reset_answer,
            "truncated answer": self._truncate_answer,
            "truncated headers": self._truncate_headers,
            "lost answer": self._lose_answer,
            "503": self._busy,
            "slow": self._dawdle,
            "asked twice": self._ask_twice,
            "answered twice": self._answer_twice,
        }
        self.kinds = list(self.faults)
        """The faults to draw from."""
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Answer one connection's requests until either side has enough."""
        with client, suppress(OSError):
            stream = client.makefile("rb")
            while request := _read(stream, client):
                with self._lock:
                    kind = self.rng.choice(self.kinds) if self.rng.random() < self.rate else ""
                    self.counts[kind] += bool(kind)
                    wanted = _header(request.head, b"range").decode()
                    self.requests.append(request.head.split(b" HTTP")[0] + wanted.encode())
                try:
                    if kind:
                        self.faults[kind](client, request)
                    else:
                        client.sendall(self._ask(request).raw)
                except _BrokenError:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return

    def _ask(self, request: Message, length: int | None = None) -> Message:
        """Hand a request, or its first bytes, to the server and take the answer."""
        with socket.create_connection(self.upstream, timeout=30) as server:
            server.sendall(request.raw[:length])
            if length is not None:
                raise _BrokenError
            answer = _read(server.makefile("rb"), None, request.head.startswith(b"HEAD"))
            if answer is None:
                raise _BrokenError
            return answer

    def _refuse(self, client: socket.socket, request: Message) -> None:
        raise _BrokenError

    def _reset_request(self, client: socket.socket, request: Message) -> None:
        client.sendall(b"HTTP/1.1 20")
        raise _BrokenError

    def _truncate_request(self, client: socket.socket, request: Message) -> None:
        self._ask(request, len(request.head) + len(request.body) // 2)

    def _reset_answer(self, client: socket.socket, request: Message) -> None:
        answer = self._ask(request)
        client.sendall(answer.raw[: len(answer.raw) - len(answer.body) // 2 - 1])
        time.sleep(0.01)  # so that the reset does not overtake what was sent
        raise _BrokenError

    def _truncate_answer(self, client: socket.socket, request: Message) -> None:
        answer = self._ask(request)
        _send_last(client, answer.head + answer.body[: len(answer.body) // 2])

    def _truncate_headers(self, client: socket.socket, request: Message) -> None:
        head = self._ask(request).head
        _send_last(client, head[: self.rng.randrange(20, len(head))])

    def _lose_answer(self, client: socket.socket, request: Message) -> None:
        self._ask(request)
        raise _BrokenError

    def _busy(self, client: socket.socket, request: Message) -> None:
        code = b"SlowDown" if self.rng.random() < 0.1 else b"ServiceUnavailable"
        client.sendall(BUSY % (len(BUSY.partition(b"\r\n\r\n")[2]) - 2 + len(code), code))

    def _dawdle(self, client: socket.socket, request: Message) -> None:
        raw = self._ask(request).raw
        step = len(raw) // 4 + 1
        for start in range(0, len(raw), step):
            time.sleep(self.rng.uniform(0, 0.03))
            client.sendall(raw[start : start + step])

    def _ask_twice(self, client: socket.socket, request: Message) -> None:
        self._ask(request)
        client.sendall(self._ask(request).raw)

    def _answer_twice(self, client: socket.socket, request: Message) -> None:
        client.sendall(self._ask(request).raw * 2)


def _send_last(client: socket.socket, data: bytes) -> None:
    """Send, and end the connection in the orderly way."""
    client.sendall(data)
    client.shutdown(socket.SHUT_RDWR)
    raise OSError


def _read(stream: BinaryIO, client: socket.socket | None, headless: bool = False) -> Message | None:
    """A whole request (with ``client``: who is told to go on) or answer; None at the end."""
    lines = [stream.readline()]
    while lines[-1] not in (b"\r\n", b""):
        lines.append(stream.readline())
    if lines[-1] == b"":
        return None
    head = b"".join(lines)
    if client and _header(head, b"expect"):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = b"".join(line for line in lines if not line.lower().startswith(b"expect:"))
    if headless:
        return Message(head, b"")
    if _header(head, b"transfer-encoding") == b"chunked":
        return Message(head, _read_chunks(stream))
    length = int(_header(head, b"content-length") or 0)
    body = stream.read(length)
    return Message(head, body) if len(body) == length else None


def _read_chunks(stream: BinaryIO) -> bytes:
    raw = b""
    while True:
        line = stream.readline()
        raw += line + stream.read(int(line.partition(b";")[0], 16) + 2)
        if int(line.partition(b";")[0], 16) == 0:
            return raw


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""
