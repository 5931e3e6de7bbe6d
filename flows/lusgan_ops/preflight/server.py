"""Checks the Prefect server that the environment names."""

from __future__ import annotations

import re

from lusgan_core.errors import ConfigError, MissingError


def prefect_server() -> str:
    """Check the Prefect server that the environment names; returns its address.

    Raises:
        ConfigError: No server is named.
        MissingError: The server does not answer, wants a password, is of another version, or is not
            Prefect at all.
    """
    import httpx
    import prefect
    from prefect.client.base import ServerType
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "no Prefect server is named: set PREFECT_API_URL, e.g. http://127.0.0.1:4200/api"
        )
    try:
        with get_client(sync_client=True) as client:
            if client.server_type != ServerType.CLOUD:
                _same_version(url, str(client.api_version()), prefect.__version__)
            client.read_work_pools(limit=1)
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        advice = (
            "set PREFECT_API_AUTH_STRING to what the server has as PREFECT_SERVER_API_AUTH_STRING"
            if code in (401, 403)
            else "check PREFECT_API_URL, it ends in /api"
        )
        raise MissingError(f"the Prefect server at {url} answers {code}: {advice}") from None
    except (httpx.HTTPError, OSError) as error:
        raise MissingError(
            f"no Prefect server answers at {url} ({type(error).__name__}): start it, or correct "
            "PREFECT_API_URL"
        ) from None
    except ValueError:  # no JSON, or other JSON than Prefect's
        raise MissingError(
            f"what answers at {url} is not Prefect: correct PREFECT_API_URL, it ends in /api"
        ) from None
    return url


def _same_version(url: str, theirs: str, ours: str) -> None:
    """Raise MissingError for another major or minor version, ValueError for a text that is none."""
    if not re.match(r"\d+\.\d+\.", theirs):
        raise ValueError(theirs)
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise MissingError(
            f"the server at {url} runs prefect {theirs}, this is {ours}: install the same"
        )
