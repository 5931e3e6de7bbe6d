"""Shared by the commands about a running ``lusgan up``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lusgan_ops.up.home import UpSettings

HomeFolder = Annotated[
    Path, typer.Option(help="Folder of the stack: settings, database, logs", envvar="LUSGAN_HOME")
]
DEFAULT_HOME = Path("~/.lusgan")


def stack_settings(home: Path) -> UpSettings:
    """The settings of the stack; this process's environment is set to reach its servers."""
    from lusgan_ops.up.home import Home
    from lusgan_ops.up.services import stack_environment

    place = Home(home)
    settings = place.settings()
    os.environ.update(stack_environment(place, settings))
    return settings
