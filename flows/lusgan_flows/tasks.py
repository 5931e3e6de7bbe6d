"""One cached Prefect task for each stage.

A task gets a stage call and the addresses to make it with. Its cache key is the call's, its result
the manifest as JSON in the store; a result whose artifacts are gone does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import Task, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext

from lusgan_core.calls.call import StageCall, StageContext, left_by, lookup
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import Record
from lusgan_core.pipeline.runner import RUNS, Runner, run_stage
from lusgan_core.store import Store, open_store
from lusgan_core.store.source import open_source
from lusgan_flows.results import results_of


class Place(Record):
    """Where calls are made: addresses alone, which mean the same on another machine."""

    store: str
    exams: str = ""
    """Empty where no stage reads exams."""
    runtime: Runtime = Runtime()

    def context(self) -> StageContext:
        """Open the store and the exam source."""
        source = open_source(self.exams) if self.exams else None
        return StageContext(open_store(self.store), source, self.runtime)


def _cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    return f"{parameters['call'].stage}-{parameters['call'].cache_key}"


def _make_task(stage: str) -> Task[..., Any]:
    def make(call: StageCall, place: Place) -> dict[str, Any]:
        return run_stage(call, place.context()).model_dump(mode="json")

    cached: Task[..., Any] = task(
        name=stage,
        description=f"The stage `{stage}`; cached by its inputs, options and versions",
        task_run_name="{call.label}",
        persist_result=True,
        result_serializer="json",
        cache_policy=CacheKeyFnPolicy(cache_key_fn=_cache_key),
    )(make)
    return cached


TASKS: dict[str, Task[..., Any]] = {stage: _make_task(stage) for stage in RUNS}
"""A task for each stage, by name."""


class PrefectRunner(Runner):
    """Makes stage calls as Prefect tasks."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.store: Store = open_store(place.store)
        self._results = results_of(self.store)

    def one(self, call: StageCall) -> Manifest:
        """Call the task here, in the flow's main thread, where a cancellation reaches it."""
        return self._made(call, self._task(call)(call, self.place))

    def each(self, calls: Sequence[StageCall]) -> list[Manifest]:
        """Submit the tasks side by side and wait for all."""
        futures = [self._task(call).submit(call, self.place) for call in calls]
        made = [future.result() for future in futures]
        return [self._made(call, result) for call, result in zip(calls, made, strict=True)]

    def _made(self, call: StageCall, result: Any) -> Manifest:
        """The manifest in the store: Prefect's copy of it is not checked for damage."""
        return left_by(call, self.store) or Manifest.model_validate(result)

    def _task(self, call: StageCall) -> Task[..., Any]:
        gone = lookup(call, self.store) is None
        return TASKS[call.stage].with_options(refresh_cache=gone, result_storage=self._results)


__all__ = ["TASKS", "Place", "PrefectRunner"]
