"""Promotion, withdrawal and pruning with artifacts in a bucket."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

from lusgan_core.calls.ledger import record_tried
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.index import seen_shards
from lusgan_core.pipeline.pruning import carry_out, plan_old, plan_withdrawn
from lusgan_core.pipeline.withdrawal import settle
from lusgan_core.promotion.current import current_model, promote
from lusgan_core.promotion.history import CurrentModel, read_history
from lusgan_core.store import open_store
from tiny_runs import Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")


def test_a_withdrawal_in_a_bucket(uri: str, tmp_path: Path) -> None:
    """The whole way: promoted, withdrawn, trained again, promoted, and nothing old left."""
    pipeline = Pipeline(write_exams(tmp_path / "exams"), tmp_path / "unused")
    pipeline.store = store = open_store(uri)
    config = tiny_config(*OPEN, scores=(2,))
    pipeline.run(config)
    record_tried(store, pipeline.source.uri, discover(pipeline.source).exams)
    first = current_model(store, 2)
    patient = seen_shards(store, first.folder)[0].split("/")[1]
    shutil.rmtree(tmp_path / "exams" / patient)
    (record,) = settle(store, pipeline.source.uri, discover(pipeline.source))
    assert (record.emptied, record.models) == ((2,), (first.folder,))
    assert current_model(store, 2) is None
    assert not list(store.list(f"shards/{patient}/"))
    pipeline.run(config)
    assert "train score 2" in pipeline.made
    assert current_model(store, 2).model != first.model
    carry_out(store, plan_withdrawn(store))
    assert not list(store.list(f"{first.folder}/"))
    assert plan_withdrawn(store).items == plan_old(store).items == ()
    pipeline.run(config)
    assert pipeline.made == []


def test_changes_at_the_same_time_come_in_one_order(uri: str) -> None:
    """Conditional puts number eight promotions at once; the last of them is current."""
    store = open_store(uri)
    models = [
        CurrentModel(
            score=1, model=name, folder=f"models/score-1/{name}", promoted=datetime.now(UTC),
            trained=f"models/score-1/{name}/manifest.json", by="gates",
        )
        for name in "abcdefgh"
    ]  # fmt: skip
    threads = [threading.Thread(target=promote, args=(store, model)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    history = read_history(store, 1)
    assert [entry.number for entry in history] == list(range(1, 9))
    assert current_model(store, 1) == history[-1].model
