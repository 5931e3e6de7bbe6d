"""Stage 7: decides whether a model becomes the current one of its score.

The decision is made once for a model and its evaluation: what the gates said, and which model was
current at the time, is in its manifest and enters no later decision. The same run again finds it
made, so a person who rolls back by hand is not overruled by the next run. A withdrawal takes the
decisions of its scores back, so that they are made again.
"""

from __future__ import annotations

from pydantic import Field

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import Callout, Group, Section, Table
from lusgan_core.domain import Record
from lusgan_core.judgement import Verdict
from lusgan_core.promotion.gates import asked_gates
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.registry import Registry
from lusgan_core.training.stage import ModelRecord

__all__ = ["VERSION", "PromotionOptions", "PromotionRecord", "Verdict", "call", "run", "section"]

VERSION = 4
"""Raised whenever the same call would give another result."""


class PromotionRecord(Record):
    """The decision on one model."""

    score: int
    model: str
    evaluated: str
    """Key of the manifest of the evaluation that it was judged by."""
    promoted: bool
    before: str
    """Name of the model that was current before; empty if there was none."""
    verdicts: tuple[Verdict, ...]
    held_back: str = ""
    """Why it was not promoted, in one line."""
    absent: dict[str, str] = Field(default_factory=dict)
    """Name of a gate that was not asked, or gave no answer -> why."""


def call(
    trained: Manifest, evaluated: Manifest, options: PromotionOptions, registry: Registry
) -> StageCall:
    """Make the call that decides on one evaluated model.

    Args:
        trained: Manifest of the model's training.
        evaluated: Manifest of the evaluation of its samples.
        options: The gates and their options, and whether to promote automatically.
        registry: Installed plugins, with the gates.

    Returns:
        The call, for ``run``.
    """
    model = data_of(trained, ModelRecord)
    return new_call(
        "promote",
        VERSION,
        label=f"promote score {model.score}",
        inputs={"trained": trained.cache_key, "evaluated": evaluated.cache_key},
        options=options,
        arguments={"trained": trained.manifest_key, "evaluated": evaluated.manifest_key},
        manifest=lambda key: f"{model.folder}/promotion/{key[:8]}.json",
        plugins=tuple(("gate", name) for name in asked_gates(options, registry)),
        registry=registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Judge the model, and make it the current one of its score if it passes.

    Args:
        call: A call that ``call`` made.
        context: Store with the model, its evaluation and the current model.

    Returns:
        A ``PromotionRecord`` with all verdicts.
    """
    from lusgan_core.promotion.decide import decide

    return decide(call, context)


def _gates(record: PromotionRecord) -> Table:
    return Table(
        title=f"Gates of score {record.score}",
        columns=("Gate", "Passed", "What was measured"),
        rows=(
            *((v.gate, _mark(v), v.reason) for v in record.verdicts),
            *((gate, "not asked", reason) for gate, reason in record.absent.items()),
        ),
    )


def _mark(verdict: Verdict) -> str:
    if not verdict.passed:
        return "✗"
    return "✓" if verdict.measured else "not measured"


def section(record: PromotionRecord) -> Section:
    """Make the report's section on the decision."""
    before = "" if record.before == record.model else record.before
    if record.promoted:
        instead = f", in place of {before}" if before else ""
        text = f"Promoted. This is the current model of score {record.score}{instead}."
        callout = Callout(state="good", text=text)
    else:
        now = (
            f"Current is {before}."
            if before
            else f"There is no current model of score {record.score}."
        )
        callout = Callout(state="bad", text=f"Held back: {record.held_back}. {now}")
    return Section(
        name="promotion",
        title="Gates",
        callouts=(callout,),
        groups=(Group(figures=(_gates(record),)),),
        values=tuple(value for verdict in record.verdicts for value in verdict.values),
    )
