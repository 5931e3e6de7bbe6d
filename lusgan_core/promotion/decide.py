"""Decides whether the model that a call names becomes the current one of its score."""

from __future__ import annotations

from datetime import UTC, datetime

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier
from lusgan_core.errors import DamagedError, MissingArtifactError
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.judgement import Candidate, Verdict
from lusgan_core.promotion.candidate import candidate_of
from lusgan_core.promotion.current import current_model, promote
from lusgan_core.promotion.gates import judge
from lusgan_core.promotion.history import CurrentModel, barred, read_history
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.promotion.stage import PromotionRecord
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.training.stage import ModelRecord


def decide(call: StageCall, context: StageContext) -> Product:
    """Judge the model of a call, and make it the current one of its score if it passes.

    Args:
        call: Call of the promotion stage.
        context: Store with the model, its evaluation and the current model; plugins.

    Returns:
        A ``PromotionRecord`` with all verdicts.
    """
    options, store = PromotionOptions.model_validate(call.options), context.store
    trained = earlier(context, call.arguments["trained"])
    evaluated = earlier(context, call.arguments["evaluated"])
    model, current = (
        data_of(trained, ModelRecord),
        current_model(store, data_of(trained, ModelRecord).score),
    )
    before = current.model if current else ""
    against = current if current and current.model != model.name else None
    measured = data_of(evaluated, EvaluationRecord)
    judged = judge(
        candidate_of(model, measured),
        _current(context, against, measured.encoder) if against else None,
        options,
        context.registry,
    )
    verdicts = tuple(judged.verdicts)
    held_back = _held_back(context, model, verdicts, options)
    if not held_back:
        promote(
            store,
            CurrentModel(
                score=model.score,
                model=model.name,
                folder=model.folder,
                trained=trained.manifest_key,
                evaluated=evaluated.manifest_key,
                verdicts=verdicts,
                promoted=datetime.now(UTC),
                by="gates",
            ),
        )
    record = PromotionRecord(
        score=model.score,
        model=model.name,
        evaluated=evaluated.manifest_key,
        promoted=not held_back,
        before=before,
        verdicts=verdicts,
        held_back=held_back,
        absent=judged.absent,
    )
    failed = sum(not verdict.passed for verdict in verdicts)
    return Product(record, counts={"gates": len(verdicts), "failed": failed})


def _held_back(
    context: StageContext,
    model: ModelRecord,
    verdicts: tuple[Verdict, ...],
    options: PromotionOptions,
) -> str:
    """Why a model is not promoted; empty if it is."""
    failed = [f"{verdict.gate}: {verdict.reason}" for verdict in verdicts if not verdict.passed]
    if failed:
        return "; ".join(failed)
    if not verdicts:
        return "no gate gave an answer: `lusgan plugins` lists those that are installed"
    if mark_of(context.store, model.folder) is not None:
        return "it saw an exam that was withdrawn since"
    done = barred(read_history(context.store, model.score)).get(model.name)
    if done:
        return f"it was {done} by hand; `lusgan promote` makes it current again"
    if not options.automatic:
        return "it passed its gates and waits for `lusgan promote` (promotion.automatic is off)"
    return ""


def _current(context: StageContext, current: CurrentModel, encoder: str) -> Candidate | None:
    """The current model as gates see it; None if it was never judged or its evaluation is gone.

    What another LUS encoder than the candidate's measured is left out.
    A person may promote a model that has no evaluation, and lusgan 0.1 left other evaluations.
    """
    if not current.evaluated:
        return None
    try:
        trained, evaluated = earlier(context, current.trained), earlier(context, current.evaluated)
        model, measured = data_of(trained, ModelRecord), data_of(evaluated, EvaluationRecord)
        return candidate_of(model, measured, encoder)
    except (MissingArtifactError, DamagedError, ValueError):
        return None
