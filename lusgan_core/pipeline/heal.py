"""Keeps the records of current models in line, whatever was deleted or damaged."""

from __future__ import annotations

from lusgan_core.domain import SCORES
from lusgan_core.pipeline import index
from lusgan_core.promotion.current import current_model, give_up
from lusgan_core.promotion.history import last_entry
from lusgan_core.store import Store


def heal_current(store: Store) -> None:
    """Write ``current`` again from the history; where both are gone, let the gates decide anew.

    Args:
        store: Store with the models.
    """
    for score in SCORES:
        if current_model(store, score) is not None or last_entry(store, score) is not None:
            continue
        decided = [
            manifest.manifest_key
            for manifest in index.manifests(store, f"models/score-{score}/")
            if manifest.stage == "promote" and manifest.data.get("promoted")
        ]
        if decided:
            index.erase(store, decided)


def leave_lost(store: Store, score: int, folder: str, reason: str) -> None:
    """Let a model whose weights are lost give way to the one before.

    Decisions on it are taken back, so that it is judged again once it was trained again.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3.
        folder: Key prefix of its folder.
        reason: Why, in words for the history.
    """
    give_up(store, score, folder, reason)
    index.erase(store, index.below(store, f"{folder}/promotion/"))
