"""Which S3 servers a worker's runs may talk to: those it was set up for, not those a run names.

Whoever may start a run may write ``?endpoint=`` into its parameters, and requests to that server
would be signed with the worker's keys. A person's own `lusgan run` goes where its command says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from lusgan_core.errors import ConfigError
from lusgan_core.store.s3.address import SCHEME, S3Address

ENDPOINTS = "LUSGAN_ENDPOINTS"
"""Environment variable with addresses of servers, separated by commas."""
OF_WORKER = ("LUSGAN_STORE", "LUSGAN_EXAMS")
"""Environment variables whose addresses a worker was started with."""
OF_RUN = "PREFECT__FLOW_RUN_ID"
"""Is set where a worker has started this process for a run."""


def check_endpoints(*addresses: str) -> None:
    """Check the addresses that a run has as parameters, where a worker executes it.

    Args:
        addresses: Of exams or store.

    Raises:
        ConfigError: One names a server that is not the worker's.
    """
    if not os.environ.get(OF_RUN):
        return
    allowed = set(os.environ.get(ENDPOINTS, "").split(","))
    allowed |= set(endpoints_of(os.environ.get(name, "") for name in OF_WORKER))
    for found in endpoints_of(addresses):
        if found not in allowed:
            raise ConfigError(
                "this run names an S3 server (?endpoint=) that its worker was not set up for: "
                f"leave it out, or add it to {ENDPOINTS} where the worker is started"
            )


def endpoints_of(addresses: Iterable[str]) -> tuple[str, ...]:
    """Find the servers that addresses of exams and stores name.

    Args:
        addresses: Folders, or ``s3://...`` with or without ``?endpoint=``; empty ones are skipped.

    Returns:
        Addresses of servers, each once.

    Raises:
        ConfigError: An ``s3://`` address is not valid.
    """
    found = (S3Address.parse(a).endpoint for a in addresses if a.startswith(SCHEME))
    return tuple(dict.fromkeys(endpoint for endpoint in found if endpoint))
