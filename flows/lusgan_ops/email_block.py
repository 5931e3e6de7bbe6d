"""A notification block that sends e-mail through any SMTP server; ``--notify email/NAME`` uses it.

Prefect's server imports this module by its entry point in ``prefect.collections``, and sends with
it. Prefect has notification blocks for many services, and none for a mail server of one's own.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import Literal

from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

TIMEOUT_S = 30.0


class Email(NotificationBlock):
    """Sends each notification to a list of addresses, through an SMTP server."""

    _block_type_name = "E-mail (SMTP)"
    _block_type_slug = "email"
    _logo_url = None

    host: str = Field(min_length=1, description="Name of the SMTP server")
    port: int = Field(587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS, as a rule")
    security: Literal["STARTTLS", "TLS", "none"] = Field(
        "STARTTLS", description="How the connection is protected; none: only inside one machine"
    )
    user: str = Field("", description="Name to sign in with; empty: the server asks for none")
    password: SecretStr = Field(SecretStr(""), description="Password to sign in with")
    sender: str = Field(min_length=3, description="Address that mails come from")
    recipients: list[str] = Field(min_length=1, description="Addresses that mails go to")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send a mail.

        Args:
            body: Its text.
            subject: Its subject; ends of lines in it become spaces.

        Raises:
            NotificationError: The server does not take it, where failures are to be raised.
        """
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"] = " ".join((subject or "lusgan").split())
        message.set_content(body)
        try:
            await asyncio.to_thread(self._send, message)
        except (OSError, smtplib.SMTPException) as error:
            said = f"{self.host}:{self.port}: {type(error).__name__}: {error}"
            self.logger.warning("no mail was sent: %s", said)
            if self._raise_on_failure:
                raise NotificationError(said) from error

    def _send(self, message: EmailMessage) -> None:
        trusted = ssl.create_default_context()
        if self.security == "TLS":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT_S, context=trusted
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        with server:
            if self.security == "STARTTLS":
                server.starttls(context=trusted)
            if self.user:
                server.login(self.user, self.password.get_secret_value())
            server.send_message(message)
