"""What the UI shows of a flow run: its name and tags, tables, pictures, progress, the report.

Keys of artifacts are the same in every run, so that the UI keeps a history of each. Nothing here
may name a patient, and nothing here can make a run fail: what the UI does not accept is logged as a
warning.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from lusgan_core.progress import Task, listening

LEFT_S = "left_s"
"""Name, in a progress artifact's metadata, of the seconds that the work will take still."""
PROGRESS_S = 2.0
"""Interval between two updates of progress artifacts, seconds."""


class Board:
    """Shows the work of one flow run in the UI."""

    def __init__(self, run: UUID, client: SyncPrefectClient) -> None:
        self.run, self._client = run, client
        self.named = ""
        """The name that the run was given last."""
        self._tags: set[str] = set()
        self._logger = get_run_logger()

    def name(self, name: str, *tags: str) -> None:
        """Name the run after its work, and add tags.

        Args:
            name: The new name; must not name a patient.
            tags: Added to the tags that the run has.
        """
        self._tags |= set(tags)
        self.named = name
        with self._surviving("its name"):
            known = set(self._client.read_flow_run(self.run).tags)
            self._client.update_flow_run(self.run, name=name, tags=sorted(known | self._tags))

    def table(self, key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
        """Show a table.

        Args:
            key: Key of the artifact, the same in every run.
            rows: Rows of cells, keyed by column; cells are JSON values.
            description: Heading of the table.
        """
        self._show(key, "table", json.dumps(list(rows)), description)

    def markdown(self, key: str, text: str, description: str) -> None:
        """Show a text.

        Args:
            key: Key of the artifact, the same in every run.
            text: Markdown; its pictures may be ``data:`` URIs.
            description: Heading of the text.
        """
        self._show(key, "markdown", text, description)

    def image(self, key: str, data_uri: str, description: str) -> None:
        """Show one picture.

        Args:
            key: Key of the artifact, the same in every run.
            data_uri: The picture as a ``data:`` URI.
            description: Heading of the picture.
        """
        self._show(key, "image", data_uri, description)

    def _show(self, key: str, kind: str, data: str, description: str) -> None:
        with self._surviving(f"the artifact {key}"):
            self._client.create_artifact(
                ArtifactCreate(
                    key=key, type=kind, data=data, description=description, flow_run_id=self.run
                )
            )

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._logger.warning("the UI does not get %s: %s", what, type(error).__name__)


@contextmanager
def board() -> Iterator[Board]:
    """The board of the current flow run, for the length of a block, with progress shown by itself.

    Raises RuntimeError outside of a flow run.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("a board belongs to a flow run")
    run = context.flow_run.id
    with get_client(sync_client=True) as client, _Progress(run) as heard, listening(heard):
        yield Board(run, client)


class _Progress:
    """Shows tracked work as progress artifacts, from a thread, since listeners must be quick."""

    def __init__(self, run: UUID) -> None:
        self._run = run
        self._tasks: dict[int, Task] = {}
        self._began: dict[int, tuple[float, int]] = {}
        """When each task was first heard of (monotonic), and how far it was then."""
        self._shown: dict[int, tuple[UUID, float]] = {}
        self._logged: dict[int, int] = {}
        self._logger = get_run_logger()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __call__(self, task: Task) -> None:
        if task.total:
            self._tasks[id(task)] = task
            self._began.setdefault(id(task), (time.monotonic(), task.done))

    def __enter__(self) -> _Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._done.wait(PROGRESS_S):
                self._look(client)
            self._look(client)

    def _look(self, client: SyncPrefectClient) -> None:
        for number, task in tuple(self._tasks.items()):
            percent = round(100 * task.done / task.total, 1)
            finished = task.finished
            first = self._logged.get(number, 0)
            for text in task.said[first:]:
                self._logger.info("%s: %s", task.label, text)
                self._logged[number] = self._logged.get(number, 0) + 1
            try:
                if number in self._shown or not finished:  # work that ends at once is not shown
                    self._tell(client, number, task, percent)
            except Exception:  # the server may be away for a while; the next update is sent again
                continue
            if finished:
                self._tasks.pop(number, None)
                self._shown.pop(number, None)
                self._began.pop(number, None)
                self._logged.pop(number, None)

    def _tell(self, client: SyncPrefectClient, number: int, task: Task, percent: float) -> None:
        artifact, before = self._shown.get(number, (None, -1.0))
        said: dict[str, Any] = {"data": percent, "metadata_": self._left(number, task)}
        if artifact is None:
            made = client.create_artifact(
                ArtifactCreate(
                    type="progress",
                    **said,
                    description=f"{task.label}, {task.total:,} {task.unit}",
                    flow_run_id=self._run,
                )
            )
            self._shown[number] = made.id, percent
        elif percent != before:
            client.update_artifact(artifact, ArtifactUpdate(**said))
            self._shown[number] = artifact, percent

    def _left(self, number: int, task: Task) -> dict[str, str]:
        """How long the task will take still, at the rate it has had here, in seconds."""
        since, first = self._began.get(number, (0.0, 0))
        if task.done <= first:
            return {}
        left_s = (time.monotonic() - since) * (task.total - task.done) / (task.done - first)
        return {LEFT_S: f"{left_s:.0f}"}


__all__ = ["Board", "board"]
