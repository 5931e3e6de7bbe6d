"""Registers a local stack's pools, deployments and automations where they are missing or changed.

A process of its own (``python -m lusgan_ops.up.register HOME``), so that the supervisor stays
small. Nothing is registered again unless something changed, so that what an operator changed in the
UI survives a restart.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.resources import files
from pathlib import Path

import yaml

from lusgan_core.errors import LusganError
from lusgan_ops.deploy import DEPLOYMENTS, deploy, prefect_file
from lusgan_ops.pools import Kind, drop_pool, pool_name
from lusgan_ops.prefect_api import ask
from lusgan_ops.up.home import Home, UpSettings, write_whole


def register(home: Home) -> None:
    """Bring the server up to date. Raises ConfigError, MissingError."""
    settings = home.settings()
    done = home.folder("deployments") / "done"
    version = _version(settings)
    if done.exists() and done.read_text() == version and _all_there(settings):
        return
    deploy(settings, Kind.PROCESS, gpu=False)
    if not settings.trainers:
        drop_pool(pool_name(Kind.PROCESS, gpu=True))
    write_whole(done, version)


def _version(settings: UpSettings) -> str:
    """A digest that changes whenever the server must be updated: file, flow parameters, blocks."""
    text = yaml.safe_dump(prefect_file(settings, Kind.PROCESS, gpu=False))
    state = hashlib.sha256(text.encode())
    state.update(repr((settings.notify, settings.database)).encode())
    for folder in ("lusgan_core", "lusgan_flows", "lusgan_ops"):
        for module in sorted(Path(str(files(folder))).rglob("*.py")):
            state.update(module.read_bytes())
    return state.hexdigest()


def _all_there(settings: UpSettings) -> bool:
    names = {deployment["name"] for deployment in ask(settings.api, "/deployments/filter", {})}
    return names >= set(DEPLOYMENTS)


def main() -> None:
    """Register the stack of the folder that the command line names."""
    try:
        register(Home(Path(sys.argv[1])))
    except LusganError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
