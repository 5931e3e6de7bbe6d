"""Requests to a Prefect server over HTTP, without importing Prefect, which takes seconds."""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx

from lusgan_core.errors import MissingError

TIMEOUT_S = 30
ATTEMPTS = 5
"""Attempts while the server is too busy (its SQLite file is locked)."""


def ask(api: str, path: str, body: object | None = None) -> Any:
    """Make a request to a Prefect server.

    Args:
        api: Address of its API, e.g. ``http://127.0.0.1:4200/api``.
        path: Path of the request, beginning with a slash.
        body: A JSON value to post; without one the request is a GET.

    Returns:
        The JSON value of the answer; None where it is empty.

    Raises:
        MissingError: The server does not answer, refuses, or is not Prefect.
    """
    method = "GET" if body is None else "POST"
    for again in range(ATTEMPTS, 0, -1):
        try:
            with httpx.Client(auth=_password(), timeout=TIMEOUT_S, trust_env=False) as client:
                headers = {} if body is None else _csrf_headers(client, api)
                reply = client.request(method, api + path, json=body, headers=headers)
        except httpx.RemoteProtocolError:
            raise _another_program(api) from None
        except httpx.HTTPError as error:
            raise MissingError(
                f"Prefect's server does not answer at {api} ({error or type(error).__name__}): is "
                "`lusgan up` running?"
            ) from None
        if reply.status_code != HTTPStatus.SERVICE_UNAVAILABLE or again == 1:
            break
        time.sleep(1)
    if reply.is_error:
        advice = (
            ": set PREFECT_API_AUTH_STRING as `lusgan up` has it, in `login` in its home"
            if reply.status_code == HTTPStatus.UNAUTHORIZED
            else ""
        )
        raise MissingError(f"Prefect's server refuses {path} with code {reply.status_code}{advice}")
    try:
        return reply.json() if reply.content else None
    except ValueError:
        raise _another_program(api) from None


def start_run(api: str, deployment: str) -> str:
    """Ask for a run of a deployment, with its own parameters.

    Args:
        api: Address of the API.
        deployment: FLOW/DEPLOYMENT.

    Returns:
        The run's id.

    Raises:
        MissingError: The server does not answer, or has no such deployment.
    """
    found = ask(api, f"/deployments/name/{deployment}")["id"]
    body = {"state": {"type": "SCHEDULED"}, "idempotency_key": str(uuid4())}  # asked twice, one run
    return str(ask(api, f"/deployments/{found}/create_flow_run", body)["id"])


def _csrf_headers(client: httpx.Client, api: str) -> dict[str, str]:
    """Headers that a server asks for which takes no requests from pages of other sites."""
    name = str(uuid4())
    reply = client.get(f"{api}/csrf-token", params={"client": name})
    if not reply.is_success:  # 422: it does not ask; other refusals come again with the request
        return {}
    return {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": str(reply.json()["token"])}


def _another_program(api: str) -> MissingError:
    return MissingError(
        f"what answers at {api} is not Prefect: stop it, or start `lusgan up` with another --port"
    )


def answers(url: str) -> bool:
    """Whether a request to an address succeeds."""
    try:
        return httpx.get(url, auth=_password(), timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _password() -> tuple[str, str] | None:
    """The server's user and password, if the environment names one."""
    user, colon, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return (user, password) if colon else None
