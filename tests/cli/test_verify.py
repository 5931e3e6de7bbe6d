"""``lusgan verify``, and what a run says of damage."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tiny_runs import CODES, Pipeline, tiny_config, write_exams


def test_verify_finds_repairs_and_says_so(lusgan, tmp_path: Path) -> None:
    """Exit code 1 while something is damaged and stays so; full keys are in the JSON alone."""
    pipeline = Pipeline(write_exams(tmp_path / "exams", patients=1), tmp_path / "store")
    config = tiny_config(scores=(0,))
    pipeline.run(config, until="preprocess")
    place = ("--store", tmp_path / "store")
    assert "all is what was written" in lusgan("verify", *place).out
    shard = next(key for key in pipeline.files("shards/") if key.endswith(".h5"))
    data = bytearray(pipeline.store.get(shard))
    data[random.Random(1).randrange(len(data))] ^= 1
    pipeline.store.put(shard, bytes(data))
    found = lusgan("verify", *place)
    assert found.code == 1
    assert "an object of shards/: expected sha256" in found.out
    assert "1 damaged" in found.out
    assert not any(code in found.out + found.err.replace(str(tmp_path), "") for code in CODES)
    assert json.loads(lusgan("verify", *place, "--json").out)["damages"][0]["key"] == shard
    assert "it was set aside" in lusgan("verify", *place, "--repair").out
    pipeline.run(config, until="preprocess")
    assert "all is what was written" in lusgan("verify", *place).out
