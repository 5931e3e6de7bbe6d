"""Makes clients; the only module that imports boto3.

A client is kept and shared by all threads of the process, since it takes a tenth of a second to
make and holds the connections. Another process (after a fork too) makes its own.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from lusgan_core.errors import ConfigError
from lusgan_core.store.s3.address import S3Address
from lusgan_core.store.s3.errors import reason

ATTEMPTS = 6
"""Attempts of each request: the first one, and five more with exponential back-off."""
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60


def connect(address: S3Address) -> Any:
    """The client for an address. Raises ConfigError where profile, endpoint or region are wrong."""
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    try:
        return _client(
            address.profile, address.endpoint, address.path_style, environment, os.getpid()
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"{address.place} cannot be reached: {reason(error)}") from None


@lru_cache(maxsize=16)
def _client(
    profile: str, endpoint: str, path_style: bool | None, environment: object, process: int
) -> Any:
    """Make a client; ``environment`` and ``process`` only tell one cached client from another."""
    # urllib3 warns of damaged headers with the whole address, which may name a patient
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
    session = boto3.Session(profile_name=profile or None)

    def make(style: str) -> Any:
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=32,
            tcp_keepalive=True,
            # our own sha256 goes with each write and is checked on each full read; older servers
            # refuse the trailing CRC that botocore would add
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return session.client("s3", endpoint_url=endpoint or None, config=config)

    if path_style is not None:
        return make("path" if path_style else "virtual")
    client = make("auto")
    # an endpoint may be set in many places: ask the client which one it uses
    return client if endpoint_of(client).endswith((".amazonaws.com", ".cn")) else make("path")


def endpoint_of(client: Any) -> str:
    """Where a client sends its requests, without credentials that the address might hold."""
    parts = urlsplit(client.meta.endpoint_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
