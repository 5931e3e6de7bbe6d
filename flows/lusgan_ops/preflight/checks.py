"""Checks of one machine: plugins, GPU, versions, storage, disk.

A *check* returns a text on what it found, or raises a LusganError that says what is missing and
what to do. ``finding`` turns either into a record to show.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lusgan_core.config import unusable
from lusgan_core.errors import ConfigError, LusganError, MissingError
from lusgan_core.plugin_points import PLUGINS
from lusgan_core.registry import SHOWN, installed
from lusgan_core.store import LocalStore, check_writable, open_store
from lusgan_core.store.base import KEEPS_DELETED
from lusgan_core.store.source import open_source

FREE_GB = 5
"""Smallest free space on a disk, 10^9 bytes."""
INSTALL_DASK = "pip install 'lusgan[dask]'"

Check = Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """The result of one check: a text on what was found, or what is wrong and what to do."""

    what: str
    ok: bool
    text: str


def finding(what: str, check: Check) -> Finding:
    """Make a check and record its result.

    Args:
        what: Name of the check, e.g. ``GPU``.
        check: The check.

    Returns:
        Its result; an error of lusgan becomes a finding that is not ok.
    """
    try:
        return Finding(what, True, check())
    except LusganError as error:
        return Finding(what, False, str(error))


def plugins() -> str:
    """Check that every installed plugin can be used, and every preset."""
    registry = installed()
    if broken := unusable(registry):
        told = [f"{one.provider} is broken: {one.reason}" for one in broken[:SHOWN]]
        told += [f"{len(broken) - SHOWN} more are"] if len(broken) > SHOWN else []
        raise MissingError(
            f"{'; '.join(told)}. Who does not name them is not disturbed; `lusgan plugins` tells "
            "more"
        )
    left_out = f"; left out by {PLUGINS}: {len(registry.left_out)}" if registry.left_out else ""
    return f"{sum(map(len, registry.records.values()))} from all packages{left_out}"


def gpu(required: bool = False) -> str:
    """Name the GPU, or say that there is none. Raises MissingError where one is ``required``."""
    import torch

    from lusgan_core.networks.device import pick_device

    if required:
        pick_device("cuda")
    if not torch.cuda.is_available():
        return f"none; trainings run on the CPU (torch {torch.__version__})"
    return f"{torch.cuda.get_device_name(0)} (torch {torch.__version__})"


def versions() -> str:
    """Check that the versions of packages fit each other."""
    found = {name: metadata.version(name) for name in ("prefect", "fastapi", "sqlalchemy")}
    fastapi = tuple(map(int, found["fastapi"].split(".")[:2]))
    if fastapi >= (0, 151):
        raise MissingError(
            f"fastapi {found['fastapi']} breaks prefect {found['prefect']}: "
            f"{sys.executable} -m pip install 'fastapi<0.151'"
        )
    if tuple(map(int, found["sqlalchemy"].split(".")[:2])) >= (2, 1):
        raise MissingError(
            f"with sqlalchemy {found['sqlalchemy']} prefect {found['prefect']} schedules no run: "
            f"{sys.executable} -m pip install 'sqlalchemy<2.1'"
        )
    return ", ".join(f"{name} {version}" for name, version in found.items())


def storage(store: str) -> str:
    """Check that the store can be written."""
    kept = open_store(store)
    check_writable(kept)
    also = f"; {KEEPS_DELETED}" if kept.keeps_deleted() else ""
    if isinstance(kept, LocalStore) and _others_may_read(kept.root):
        also += f"; other accounts of this machine can read it: chmod -R go= {kept.root}"
    return f"{kept.uri} can be written{also}"


def _others_may_read(root: Path) -> bool:
    """Whether a store lets others in, and a folder in it, made by an earlier release, does."""
    return bool(root.stat().st_mode & 0o055) and any(
        entry.is_dir() and entry.stat().st_mode & 0o055 for entry in root.iterdir()
    )


def exams(source: str, empty_ok: bool = False) -> str:
    """Check that the exam source can be read and holds .mat files.

    Args:
        source: Address of the exam source.
        empty_ok: Whether a source without any .mat file passes.

    Returns:
        The number of .mat files.

    Raises:
        ExamError: The source cannot be read.
        MissingError: It holds no .mat file.
    """
    number = sum(stat.key.lower().endswith(".mat") for stat in open_source(source).objects())
    if not number and not empty_ok:
        raise MissingError(f"there is no .mat file in {source} yet")
    return f"{number:,} .mat files in {source}"


def disk(folder: Path) -> str:
    """Check that there is room left on the disk of a folder."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < FREE_GB:
        raise MissingError(f"only {free:.1f} GB are free in {folder}: `lusgan prune` makes room")
    return f"{free:,.0f} GB free in {folder}"


def task_runner(text: str) -> str | None:
    """The address in ``dask=ADDRESS``; None where there is none.

    Raises ConfigError for an unknown task runner, and where Dask is not installed.
    """
    kind, equals, address = text.partition("=")
    if (
        kind not in ("threads", "dask")
        or (kind == "threads" and equals)
        or (equals and not address)
    ):
        raise ConfigError(
            f"--task-runner {text!r}: choices: threads, dask (a cluster on this machine), "
            "dask=ADDRESS (a scheduler, e.g. dask=tcp://10.0.0.5:8786)"
        )
    for module in ("distributed", "prefect_dask") if kind == "dask" else ():
        if find_spec(module) is None:  # an import would load Prefect before it is set up
            raise ConfigError(
                f"--task-runner {text} needs {module}, which is not installed: {INSTALL_DASK}"
            )
    return address or None
