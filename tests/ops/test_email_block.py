"""The block that sends e-mail, through a real SMTP server; `tests/live/test_up.py` has the rest."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from mail_server import Inbox, started

pytestmark = pytest.mark.usefixtures("prefect_server")  # set up before Prefect is imported
LOGIN = LoginPassword(b"lusgan", b"right")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a certificate of ``localhost`` and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(pem))
    paths[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return paths


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def secured(
    inbox: Inbox, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Controller]:
    """A server that asks for STARTTLS and a login, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = started(
        inbox, tls_context=context, require_starttls=True, auth_required=True,
        authenticator=lambda *given: AuthResult(success=given[-1] == LOGIN, handled=False),
    )  # fmt: skip
    yield server
    server.stop()


def block(server: Controller, **options: Any) -> Any:
    from lusgan_ops.email_block import Email

    to = {"sender": "lusgan@example.org", "recipients": ["a@example.org", "b@example.org"]}
    return Email(host="localhost", port=server.port, **(to | options))


def test_a_mail_arrives_by_starttls_with_a_login(secured: Controller, inbox: Inbox) -> None:
    """Sender, recipients, subject in one line, and a text beyond ASCII are as they were given."""
    sender = block(secured, user="lusgan", password="right")
    asyncio.run(sender.notify("KID 0.3 – über 25%\nhttp://127.0.0.1", subject="held\nback"))
    (mail,) = inbox.mails
    assert (mail["From"], mail["To"]) == ("lusgan@example.org", "a@example.org, b@example.org")
    assert mail["Subject"] == "held back"
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().split() == ["KID", "0.3", "–", "über", "25%", "http://127.0.0.1"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user": "lusgan"}, "SMTPAuthenticationError"),
        ({"security": "none"}, "SMTP"),
        ({"host": "127.0.0.1"}, "SSLCertVerificationError"),
    ],
    ids=["a wrong password", "no encryption", "another name than the certificate's"],
)
def test_what_the_server_refuses_is_raised(
    secured: Controller, inbox: Inbox, options: dict[str, Any], said: str
) -> None:
    """Nothing is sent past a refusal, and the automation learns of it."""
    from prefect.blocks.abstract import NotificationError

    sender = block(secured).model_copy(update={"password": SecretStr("wrong")} | options)
    with sender.raise_on_failure(), pytest.raises(NotificationError, match=said):
        asyncio.run(sender.notify("text"))
    assert not inbox.mails


def test_automations_mail_what_somebody_must_act_on() -> None:
    """A failed run, a held-back model and looks that stopped; no text of an error is sent."""
    from lusgan_core.pipeline.events import HELD_BACK, LOOKED
    from lusgan_ops.up.automations import notifications

    made = notifications("email/ops", uuid4())
    expected = {event for one in made for event in one.trigger.model_dump()["expect"]}
    assert expected == {"prefect.flow-run.Failed", "prefect.flow-run.Crashed", HELD_BACK, LOOKED}
    assert "message" not in "".join(one.actions[0].model_dump_json() for one in made)
    assert len(notifications("slack-webhook/ops", uuid4())) == len(made) + 1
