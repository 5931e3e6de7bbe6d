"""The flow ``approve``: a person promotes or rejects a model, and answers for it."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.approval import Decision, decide_by_hand, review_of
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.store import existing_store
from lusgan_flows.artifacts import show_waiting
from lusgan_flows.board import board

Text = Annotated[str, Field(min_length=1, max_length=1000)]


@flow(
    name="approve",
    flow_run_name="{decision} {model} of score {score}",
    description="Promotes or rejects a model that waits, and keeps who decided so and why",
    persist_result=False,
)
def approve(
    store: parameters.Store,
    score: parameters.Score,
    model: Text,
    decision: Decision,
    reviewer: Text,
    comment: str = "",
) -> int:
    """Decide on a model; the decision is an entry of the history (`lusgan history`).

    Args:
        store: Where the models are: a folder, or s3://BUCKET/PREFIX.
        score: Severity score of the model.
        model: The model, by its name or the last digits of it; the artifact `waiting` lists those
            that wait, with their reports.
        decision: promote makes it the current model of its score; reject takes it off the list, and
            gates do not promote it any more.
        reviewer: Who decides.
        comment: Why; must name no patient.

    Returns:
        Number of the entry in the score's history.
    """
    check_endpoints(store)
    kept = existing_store(store)
    with board() as shown:
        review = review_of(kept, score, model, reviewer, comment)
        entry = decide_by_hand(kept, decision, score, model, review)
        name = entry.about or (entry.model.model if entry.model else "")
        get_run_logger().info("%s %s: entry %d, %s", entry.action, name, entry.number, entry.digest)
        shown.name(f"score {score}: {name} {entry.action}", f"score-{score}")
        show_waiting(shown, kept)
    return entry.number
