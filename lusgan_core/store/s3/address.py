"""What an address in S3 may say: ``s3://BUCKET/PREFIX?OPTION=VALUE&...``.

=================  ================================================================================
``profile``        section of ``~/.aws/config`` that gives credentials, region and endpoint; else
                   ``AWS_PROFILE`` and the other ``AWS_*`` variables decide
``endpoint``       address of the server; else ``AWS_ENDPOINT_URL_S3``, the profile's, or AWS itself
``path_style``     ``true`` puts the bucket into the path, ``false`` into the host name; by default
                   ``true`` wherever an endpoint is given
``sse``            encryption at rest, asked for with every write: ``AES256``, ``aws:kms``,
                   ``aws:kms:dsse``
``kms_key_id``     the key for ``aws:kms``; else the bucket's default one
=================  ================================================================================
"""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError, model_validator

from lusgan_core.domain import Record
from lusgan_core.errors import ConfigError, StoreError, UnknownNameError
from lusgan_core.store.base import check_key

SCHEME = "s3://"
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


class S3Address(Record):
    """A place in a bucket, and how to reach it."""

    bucket: str
    prefix: str = ""
    """Without slashes at either end; empty for the whole bucket."""
    profile: str = ""
    endpoint: str = ""
    path_style: bool | None = None
    sse: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = ""
    kms_key_id: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kms_key_id and not self.sse.startswith("aws:kms"):
            raise ValueError("kms_key_id needs sse=aws:kms")
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                raise ValueError("endpoint must look like https://host:port, without credentials")
        return self

    @classmethod
    def parse(cls, uri: str) -> S3Address:
        """Read an address; raises ConfigError, which never repeats a value: it may be a secret."""
        location, _, query = uri.removeprefix(SCHEME).partition("?")
        bucket, _, prefix = location.partition("/")
        if "@" in bucket or ":" in bucket:
            raise ConfigError(
                "an s3:// address holds no credentials and no host: write s3://BUCKET/PREFIX, and "
                "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3"
            )
        if not BUCKET.fullmatch(bucket):
            raise ConfigError(f"{bucket!r} is no name of a bucket: write s3://BUCKET/PREFIX")
        prefix = prefix.strip("/")
        options = parse_qsl(query, keep_blank_values=True)
        choices = sorted(set(cls.model_fields) - {"bucket", "prefix"})
        for name, _ in options:
            if name not in choices:
                raise UnknownNameError("option of an s3:// address", name, choices)
        try:
            if prefix:
                check_key(prefix)
            return cls.model_validate({"bucket": bucket, "prefix": prefix, **dict(options)})
        except StoreError as error:
            raise ConfigError(f"s3://{bucket}/...: {error}") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = "".join(f"option {part}: " for part in first["loc"])
            raise ConfigError(f"s3://{bucket}/...: {where}{first['msg']}") from None

    @property
    def place(self) -> str:
        """Bucket and prefix, as shown to people."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def name(self, key: str) -> str:
        """The full name, inside the bucket, of a key below the prefix."""
        return f"{self.prefix}/{key}" if self.prefix else key

    @property
    def encryption(self) -> dict[str, str]:
        """Arguments for requests that create an object."""
        asked = {"ServerSideEncryption": self.sse, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in asked.items() if value}
