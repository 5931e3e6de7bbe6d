"""The folder of one ``lusgan up``: its settings, logs, database, and a lock."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from lusgan_core.domain import Record
from lusgan_core.errors import ConfigError, LusganError

PORT = 4200


class UpError(LusganError, RuntimeError):
    """The local stack cannot be started, or a part of it does not answer."""


class UpSettings(Record):
    """The settings of ``lusgan up``; kept, so that other commands find them."""

    exams: str = ""
    """Address of the exam source."""
    store: str = ""
    """Address of the store."""
    preset: str = "paper"
    config: dict[str, Any] = Field(default_factory=dict)
    """Options over their defaults, nested as in RunConfig."""
    port: int = PORT
    database: str = ""
    """Address of a PostgreSQL database; empty: Prefect's SQLite file in the folder."""
    s3: bool = False
    every_s: int = 120
    """Polling interval for the exam source, seconds."""
    settle_s: int = 60
    """Seconds without a change after which an exam counts as completely uploaded."""
    debounce_s: int = 15
    """Seconds without a further announcement of an exam after which a run starts."""
    trainers: int = 0
    """Workers that train, one score each at a time; 0: pipelines train themselves."""
    notify: tuple[str, ...] = ()
    """Notification blocks of the server, as TYPE/NAME."""
    nightly: int = Field(2, ge=0, le=23)
    """Hour at which a run takes up what is left; the check of the store follows three hours on."""
    timezone: str = "Etc/UTC"
    """Time zone of that hour, as the IANA names it."""
    keep_days: int = Field(30, ge=1)
    """Days after which the server deletes runs that have ended."""

    def changed_options(self, before: UpSettings) -> list[str]:
        """Options of a run that are others than they were.

        Args:
            before: The settings of an earlier start.

        Returns:
            Their names, e.g. ``training.iterations``.
        """
        now, then = _flat(self.config), _flat(before.config)
        return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))

    @property
    def readers(self) -> dict[str, Any]:
        """Options of readers of exams by name; empty for all that are installed."""
        return dict(self.config.get("ingestion", {}).get("readers", {}))

    @property
    def ui(self) -> str:
        """Address of Prefect's UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def origins(self) -> tuple[str, str]:
        """What a browser calls the origin of pages of Prefect's UI."""
        return self.ui, f"http://localhost:{self.port}"

    @property
    def api(self) -> str:
        """Address of Prefect's API."""
        return f"{self.ui}/api"

    @property
    def reports(self) -> str:
        """Address under which the reports in the store are served."""
        return f"http://127.0.0.1:{self.port + 1}"


def _flat(options: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Options by their whole names."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        deeper = _flat(value, f"{above}{name}.") if isinstance(value, dict) else {}
        flat |= deeper or {f"{above}{name}": value}
    return flat


class Home:
    """Paths below the folder; folders are created when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def folder(self, name: str) -> Path:
        """A folder below, which only this user can read, whatever it was before."""
        found = self.path / name
        found.mkdir(parents=True, exist_ok=True, mode=0o700)
        found.chmod(0o700)
        return found

    @property
    def mark(self) -> str:
        """Identifies this folder's processes, which carry it in their environment."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    def settings(self) -> UpSettings:
        """The settings of the last start. Raises ConfigError where there was none."""
        try:
            return UpSettings.model_validate_json((self.path / "up.json").read_bytes())
        except FileNotFoundError:
            raise ConfigError(
                f"there is no `lusgan up` in {self.path}: start it, or say --home"
            ) from None
        except ValueError as error:
            raise ConfigError(
                f"{self.path / 'up.json'} cannot be understood: delete it and start `lusgan up` "
                "with its options again"
            ) from error

    def remember(self, settings: UpSettings) -> None:
        """Keep the settings."""
        self.folder("")
        write_whole(self.path / "up.json", settings.model_dump_json(indent=1))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder for the length of a block. Raises UpError where it is locked already."""
        import fcntl  # there is none on Windows

        self.folder("")
        with (self.path / "up.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise UpError(
                    f"`lusgan up` runs in {self.path} already (process {lock.read().strip()}): "
                    "stop it with Ctrl-C, or choose another --home and --port"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step, readable by this user alone: nobody sees half of it.

    Args:
        path: Where to write; an existing file is replaced.
        text: The content.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> Any:
    """The value in a JSON file; None where there is no such file, or it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
