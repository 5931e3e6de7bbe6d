"""``lusgan models``, ``promote`` and ``rollback``: which model of a score is the one to use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import UnknownNameError
from lusgan_core.promotion import CurrentModel, HistoryEntry, current_model, mark_of, roll_back
from lusgan_core.promotion import promote as make_current
from lusgan_core.provenance import Manifest
from lusgan_core.stages import traces
from lusgan_core.stages.base import data_of
from lusgan_core.stages.promote import PromotionRecord
from lusgan_core.stages.train import Model
from lusgan_core.store import Store, open_store
from lusgan_flows.cli import options
from lusgan_flows.cli.console import out, print_json, visible

Score = Annotated[int, typer.Argument(help="Severity score, 0 to 3", show_default=False)]


class ListedModel(Record):
    """One finished model, as it is listed."""

    score: int
    model: str
    state: str
    """current, promoted (once), held back, withdrawn, or not judged."""
    reason: str = ""
    created: datetime | None
    frames: int
    patients: int
    iterations: int
    manifest: str


def models(store: options.Store = options.DEFAULT_STORE, json: options.Json = False) -> None:
    """List the models of a store: trained on how much, promoted, held back or withdrawn."""
    listed = list_models(open_store(store))
    if json:
        print_json([model.model_dump(mode="json") for model in listed])
        return
    if not listed:
        out.print("no models")
    for model in listed:
        created = f", {model.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if model.created else ""
        out.print(
            f"score {model.score}: {visible(model.model)}  [bold]{model.state}[/]  "
            f"{model.frames:,} frames of {model.patients} patients{created}",
            soft_wrap=True,
        )
        if model.reason:
            out.print(f"  {visible(model.reason)}", soft_wrap=True)


def promote(
    score: Score,
    model: Annotated[
        str, typer.Argument(help="Model, by its name or the last digits of it", show_default=False)
    ],
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Make a model the current one of its score, whatever the gates say."""
    where = open_store(store)
    chosen = find_model(where, score, model)
    record = CurrentModel(
        score=score,
        model=chosen.model,
        folder=chosen.manifest.rpartition("/")[0],
        trained=chosen.manifest,
        promoted=datetime.now(UTC),
        by="hand",
    )
    decision = _decision(where, record.folder)
    if decision:
        judged = {"evaluated": decision.evaluated, "verdicts": decision.verdicts}
        record = record.model_copy(update=judged)
    _show(make_current(where, record), json)


def rollback(
    score: Score,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Go back to the model that was current before.

    The one that is left is not promoted again, except by hand.
    """
    known_score(score)
    _show(roll_back(open_store(store), score), json)


def list_models(store: Store, score: int | None = None) -> list[ListedModel]:
    """Every finished model, newest first within its score."""
    prefix = "models/" if score is None else f"models/score-{score}/"
    trained = [m for m in traces.manifests(store, prefix) if m.stage == "train"]
    listed = [_listed(store, manifest) for manifest in trained]
    newest = sorted(listed, key=lambda m: m.created.timestamp() if m.created else 0, reverse=True)
    return sorted(newest, key=lambda m: m.score)


def find_model(store: Store, score: int, name: str) -> ListedModel:
    """A finished model by its name, or by how its name ends. Raises UnknownNameError."""
    known_score(score)
    listed = list_models(store, score)
    found = [model for model in listed if model.model == name] or [
        model for model in listed if name and model.model.endswith(name)
    ]
    if len(found) != 1:
        hint = f"{len(found)} models end like that" if found else ""
        raise UnknownNameError(f"model of score {score}", name, (m.model for m in listed), hint)
    return found[0]


def known_score(score: int) -> None:
    """Raise UnknownNameError for a score that there is not."""
    if score not in SCORES:
        raise UnknownNameError("score", str(score), map(str, SCORES))


def _listed(store: Store, manifest: Manifest) -> ListedModel:
    model, current = data_of(manifest, Model), current_model(store, manifest.data["score"])
    state, reason = "not judged", ""
    decision = _decision(store, model.folder)
    if decision:
        state = "promoted" if decision.promoted else "held back"
        reason = decision.held_back
    if current and current.folder == model.folder:
        state, reason = "current", "by hand" if current.by == "hand" else ""
    mark = mark_of(store, model.folder)
    if mark:
        state, reason = "withdrawn", f"saw {', '.join(sorted(mark.exams))}"
    return ListedModel(
        score=model.score,
        model=model.name,
        state=state,
        reason=reason,
        created=manifest.created,
        frames=model.training_frames,
        patients=model.training_patients,
        iterations=model.iterations,
        manifest=manifest.manifest_key,
    )


def _decision(store: Store, folder: str) -> PromotionRecord | None:
    """The last decision on a model."""
    found = [
        manifest
        for manifest in traces.manifests(store, f"{folder}/promotion/")
        if manifest.stage == "promote"
    ]
    if not found:
        return None
    last = max(found, key=lambda m: m.created.timestamp() if m.created else 0)
    return data_of(last, PromotionRecord)


def _show(entry: HistoryEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry.model_dump(mode="json"))
    elif entry.model:
        before = f", in place of {visible(entry.left)}" if entry.left else ""
        out.print(
            f"score {entry.model.score}: {visible(entry.model.model)} is current{before}",
            soft_wrap=True,
        )
