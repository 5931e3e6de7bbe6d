"""The memorisation audits of a store's models, and audits that are made again."""

from __future__ import annotations

from datetime import UTC, datetime

from lusgan_core.calls.call import StageContext, data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.domain import Record
from lusgan_core.errors import MissingArtifactError
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.audit.score import TITLE, NoAuditError
from lusgan_core.evaluation.score import audit_again
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.pipeline import index
from lusgan_core.pipeline.models import find_model, known_score, list_models
from lusgan_core.store import Store


class ModelAudit(Record):
    """The audit of one model's samples."""

    score: int
    model: str
    audit: AuditRecord | None
    absent: str = ""
    """Why there is no audit; empty if there is one."""


def evaluations(store: Store, score: int | None, name: str | None) -> list[Manifest]:
    """Find the newest evaluation of each current model, or of one that is named.

    Args:
        store: Store with models and evaluations.
        score: Severity score, 0 to 3; None for all scores.
        name: Name of a model, or its end; None for the current ones.

    Returns:
        Manifests of evaluations, by rising score.

    Raises:
        UnknownNameError: There is no such score or model.
        MissingArtifactError: There is no current model, or one was never evaluated.
    """
    if score is not None:
        known_score(score)
    if name is not None:
        models = [find_model(store, score, name)]
    else:
        models = [model for model in list_models(store, score) if model.state == "current"]
    if not models:
        raise MissingArtifactError(
            "no model is current: name one, e.g. `lusgan audit NAME`; `lusgan models` lists them"
        )
    found = []
    for model in models:
        folder = f"evaluations/score-{model.score}/{model.model}/"
        made = [m for m in index.manifests(store, folder) if m.stage == "evaluate"]
        if not made:
            raise MissingArtifactError(
                f"model {model.model} of score {model.score} was never evaluated: "
                f"`lusgan evaluate --score {model.score}` does it"
            )
        found.append(max(made, key=_time))
    return found


def _time(manifest: Manifest) -> float:
    return (manifest.created or datetime.fromtimestamp(0, UTC)).timestamp()


def model_audit(manifest: Manifest) -> ModelAudit:
    """Read the audit that was made with an evaluation.

    Args:
        manifest: Manifest of the evaluation.

    Returns:
        The audit, or why there is none.
    """
    record = data_of(manifest, EvaluationRecord)
    absent = record.absent.get(TITLE, "it was evaluated by a version without one")
    return ModelAudit(
        score=record.score,
        model=manifest.manifest_key.split("/")[2],
        audit=record.audit,
        absent="" if record.audit else absent,
    )


def self_test(context: StageContext, manifest: Manifest, copies: int) -> ModelAudit:
    """Audit the samples of an evaluation again, with another number of planted copies.

    Nothing of it is kept but features.

    Args:
        context: Store, registry and runtime.
        manifest: Manifest of the evaluation.
        copies: Planted copies a kind.

    Returns:
        The audit, or why there is none.

    Raises:
        MissingArtifactError: The samples or the data set of the evaluation are gone.
    """
    record = data_of(manifest, EvaluationRecord)
    usual = EvaluationOptions.model_validate(manifest.options)
    frames = usual.audit_frames or EvaluationOptions().audit_frames
    options = usual.model_copy(update={"audit_copies": copies, "audit_frames": frames})
    folder = record.samples.rpartition("/")[0]
    generated = next(iter(index.manifests(context.store, f"{folder}/manifest.json")), None)
    real = manifest.inputs["real"]
    selected = next((m for m, d in index.datasets(context.store) if d.real_digest == real), None)
    if generated is None or selected is None:
        lacking = "samples" if generated is None else "data set"
        raise MissingArtifactError(
            f"the {lacking} of this evaluation of score {record.score} are no longer in the store: "
            "run `lusgan evaluate` again"
        )
    found = model_audit(manifest)
    try:
        audit = audit_again(context, selected, generated, options, record.likeness)
    except NoAuditError as error:
        return found.model_copy(update={"audit": None, "absent": str(error)})
    return found.model_copy(update={"audit": audit, "absent": ""})
