"""A real SMTP server on this machine, for tests of what is sent to people."""

from __future__ import annotations

import socket
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Inbox:
    """Keeps what the server took."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        content = envelope.content
        self.mails.append(message_from_bytes(content if isinstance(content, bytes) else b""))
        return "250 OK"


def started(inbox: Inbox, **options: Any) -> Controller:
    """Start a server on a free port of this machine; call its ``stop`` at the end."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Controller(inbox, hostname="127.0.0.1", port=port, **options)
        try:
            server.start()
        except OSError:  # somebody else took the port in between
            continue
        return server
