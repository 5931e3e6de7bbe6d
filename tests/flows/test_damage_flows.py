"""Damage in a store, met by Prefect's tasks: found, named and made again in the same run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lusgan_core.pipeline.verify import verify as look
from tiny_runs import Pipeline, tiny_config, write_exams

FIRST = tiny_config("promotion.min_diversity=0", scores=(0,))
AGAIN = tiny_config("promotion.min_diversity=0", "training.seed=5", scores=(0,))


def flip(pipeline: Pipeline, key: str) -> None:
    """Change one bit in the middle of an object."""
    data = bytearray(pipeline.store.get(key))
    data[len(data) // 2] ^= 1 << random.Random(key).randrange(8)
    pipeline.store.put(key, bytes(data))


@pytest.mark.usefixtures("prefect_server")
def test_a_run_makes_again_what_it_finds_damaged(tmp_path: Path) -> None:
    """Shards, and Prefect's own copy of a manifest: the run ends well and says what it made again;
    the flow that verifies finds nothing then, and finds, and repairs, what is damaged later."""
    from lusgan_flows.pipeline import pipeline as flow
    from lusgan_flows.verify_flow import verify

    exams = write_exams(tmp_path / "exams")
    here = Pipeline(exams, tmp_path / "store")
    place = (str(exams), here.store.uri)
    done = flow(*place, FIRST, preset="demo")
    twin = Pipeline(exams, tmp_path / "twin")
    expected = twin.run(AGAIN).scores[0]["train"].artifacts["generator"].digest
    for key in here.files("shards/"):
        if key.endswith(".h5"):
            flip(here, key)
    copy = f"results/select-{done.scores[0]['select'].cache_key}"
    assert here.store.exists(copy)
    here.store.put(copy, here.store.get(copy).replace(b"9001", b"9009"))
    outcome = flow(*place, AGAIN, preset="demo")
    assert outcome.failures == {}
    assert 1 <= len(outcome.healed) <= 2  # to train on, and to compare with
    assert "frames of score 0" in outcome.healed[0]
    assert outcome.scores[0]["train"].artifacts["generator"].digest == expected
    verify(here.store.uri)  # shards of which only the other scores' frames are damaged
    flow(*place, FIRST, preset="demo")
    assert verify(here.store.uri) == 0
    flip(here, next(key for key in here.files("samples/") if key.endswith("frames.h5")))
    assert verify(here.store.uri) == 1
    flow(*place, FIRST, preset="demo")
    flow(*place, AGAIN, preset="demo")
    assert look(here.store).damages == ()
