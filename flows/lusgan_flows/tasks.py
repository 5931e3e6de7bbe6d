"""Prefect tasks that make stage calls: one for each stage of a score, and shared ones for exams.

A task of a score's stage gets a call and the addresses to make it with. Its cache key is the
call's, its result the manifest as JSON in the store; a result whose artifacts are gone does not
count. A task of exams gets the calls of exams that are new; it leaves manifests in the store, and
nothing with Prefect, whose server keeps some 40 kB of each task.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture

from lusgan_core.calls.call import StageCall, StageContext, earlier, left_by, lookup
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import Record
from lusgan_core.errors import LusganError
from lusgan_core.pipeline.chain import LOOKS
from lusgan_core.pipeline.runner import RUNS, Runner, run_stage
from lusgan_core.progress import track
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
MOST_SHARED = 100
"""Largest number of tasks that a stage of exams has in a run; of more exams, several share one."""


@task(persist_result=False, cache_policy=NO_CACHE)
def _make_shared(calls: Sequence[StageCall], place: Place) -> None:
    """Make the calls of several exams; one that fails does not keep the others from being made."""
    context, failed = place.context(), list[LusganError]()
    for call in calls:
        try:
            run_stage(call, context)
        except LusganError as error:
            failed.append(error)
    if failed:
        raise failed[0]


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
        """Make those that are new as tasks side by side, and wait for all."""
        with ThreadPoolExecutor(LOOKS) as threads:  # a bucket is slow to answer
            found = list(threads.map(lambda call: lookup(call, self.store), calls))
            new = [call for call, before in zip(calls, found, strict=True) if before is None]
            self._make(new)
            here = StageContext(self.store)
            made = threads.map(lambda call: earlier(here, call.manifest), new)
            return [before or next(made) for before in found]

    def _make(self, calls: Sequence[StageCall]) -> None:
        if not calls:
            return
        stage, size = calls[0].stage, ceil(len(calls) / MOST_SHARED)
        shares = [calls[first : first + size] for first in range(0, len(calls), size)]
        with track(stage, len(calls), "exams") as shown:
            futures = [self._submit(stage, share) for share in shares]
            for future, share in zip(futures, shares, strict=True):
                future.result()
                shown.advance(len(share))

    def _submit(self, stage: str, share: Sequence[StageCall]) -> PrefectFuture[Any]:
        more = f" and {len(share) - 1} more" if len(share) > 1 else ""
        shared = _make_shared.with_options(name=stage, task_run_name=f"{share[0].label}{more}")
        return shared.submit(share, self.place)

    def _made(self, call: StageCall, result: Any) -> Manifest:
        """The manifest in the store: Prefect's copy of it is not checked for damage."""
        return left_by(call, self.store) or Manifest.model_validate(result)

    def _task(self, call: StageCall) -> Task[..., Any]:
        gone = lookup(call, self.store) is None
        return TASKS[call.stage].with_options(refresh_cache=gone, result_storage=self._results)


__all__ = ["TASKS", "Place", "PrefectRunner"]
