"""Brings the records of current models in line before a run, whatever was deleted or damaged."""

from __future__ import annotations

from lusgan_core.domain import SCORES
from lusgan_core.pipeline import index
from lusgan_core.promotion.current import current_model
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
