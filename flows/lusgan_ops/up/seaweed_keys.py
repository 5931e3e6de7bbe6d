"""Keys without which SeaweedFS's own ports answer nobody: ``python -m ... FOLDER [HOST]``.

Beside S3, where everybody needs a key, SeaweedFS opens ports for its master, volumes and filer,
which by default read, write and delete for whoever asks. Its ``security.toml`` closes them: gRPC
and HTTP take nobody without a client certificate (mutual TLS), and HTTP wants tokens besides (JWT).
The certificate of the authority that signed the one certificate is kept, its key is not: nobody can
make another.
"""

from __future__ import annotations

import ipaddress
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lusgan_ops.up.home import write_whole

SECURITY = "security.toml"
"""The file that SeaweedFS reads in the folder that it is started in; it names the others."""
AUTHORITY, CERTIFICATE, KEY = "authority.pem", "certificate.pem", "key.pem"
TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
"""Sections whose keys sign requests over HTTP to volumes and filer."""
GRPC = (
    "master", "volume", "filer", "s3", "admin", "worker", "client", "mq", "msg_broker", "msg_agent",
)  # fmt: skip
HTTPS = ("master", "volume", "filer", "admin")
VALID = timedelta(days=36500)
"""As long as anybody keeps a store."""


def make_keys(folder: Path, host: str = "127.0.0.1") -> None:
    """Make certificate, tokens and ``security.toml`` in a folder, unless they are there.

    Args:
        folder: An existing folder; the files are readable by this user alone.
        host: Name or address under which the parts of SeaweedFS reach each other.
    """
    if (folder / SECURITY).exists():
        return
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name("lusgan")
    signed = (
        _builder(issuer, issuer, authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, hashes.SHA256())
    )
    certificate = (
        _builder(_name(host), issuer, own)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_hosts(host)), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(folder / AUTHORITY, signed.public_bytes(pem).decode())
    write_whole(folder / CERTIFICATE, certificate.public_bytes(pem).decode())
    write_whole(folder / KEY, secret.decode())
    write_whole(folder / SECURITY, _security())  # last: it is what is looked for


def _security() -> str:
    """The content of ``security.toml``; paths are relative to its folder."""
    own = f'cert = "{CERTIFICATE}"\nkey = "{KEY}"\n'
    authority = f'ca = "{AUTHORITY}"\n'
    sections = [(name, f'key = "{secrets.token_hex(32)}"\n') for name in TOKENS]
    sections += [("grpc", authority)]
    sections += [(f"grpc.{part}", own) for part in GRPC]
    sections += [("https.client", "enabled = true\n" + own + authority)]
    sections += [(f"https.{part}", own + authority) for part in HTTPS]
    # no page of a browser has business here
    sections += [("cors.allowed_origins", 'values = "https://none.invalid"\n')]
    sections += [("filer.expose_directory_metadata", "enabled = false\n")]
    return "\n".join(f"[{name}]\n{lines}" for name, lines in sections)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + VALID)
    )


def _hosts(host: str) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for name in {host, "127.0.0.1"}:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def main() -> None:
    """Make the keys in the folder that the command line names."""
    make_keys(Path(sys.argv[1]), *sys.argv[2:3])


if __name__ == "__main__":
    main()
