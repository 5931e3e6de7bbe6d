"""The one login of a local stack: for Prefect's UI and API, and for the reports.

It is made once, as the S3 key is, and kept in the home's file ``login``, which only its owner can
read. An operator's own (``PREFECT_SERVER_API_AUTH_STRING``) is taken instead, and kept there for
`lusgan status`, `notify` and `doctor`, which find it in the same place.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from lusgan_core.errors import ConfigError
from lusgan_ops.up.home import Home, write_whole

SERVER, CLIENT = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
"""Prefect's variables: what its server asks for, and what its clients say."""
USER = "lusgan"


def login_file(home: Home) -> Path:
    """Where the login of a stack is kept: one line, NAME:PASSWORD."""
    return home.path / "login"


def make_login(home: Home) -> None:
    """Make the login, or take over the one that the environment names; then it is kept.

    Args:
        home: Folder of the stack.

    Raises:
        ConfigError: The environment names two logins, or one that is not NAME:PASSWORD.
    """
    home.folder("")
    named = {os.environ[name] for name in (SERVER, CLIENT) if os.environ.get(name)}
    if len(named) > 1:
        raise ConfigError(f"{SERVER} and {CLIENT} differ: set both to the same NAME:PASSWORD")
    file = login_file(home)
    if named:
        user, colon, password = named.pop().partition(":")
        if not (user and colon and password):
            raise ConfigError(f"{SERVER} is not a login: expected NAME:PASSWORD")
        write_whole(file, f"{user}:{password}\n")
    elif not file.exists():
        write_whole(file, f"{USER}:{secrets.token_urlsafe(24)}\n")


def login_environment(home: Home) -> dict[str, str]:
    """Make the variables by which Prefect's server and its clients know the login.

    Args:
        home: Folder of the stack.

    Returns:
        Values by name; empty where no login was made, by a version of lusgan that had none.
    """
    try:
        login = login_file(home).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return {}
    return {SERVER: login, CLIENT: login}
