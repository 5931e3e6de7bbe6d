"""``lusgan encoder``: what is shown of a store's encoder, and how it is unpinned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny_runs import Pipeline, tiny_config, write_exams


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store whose last run trained an encoder."""
    write_exams(tmp_path / "exams", patients=4)
    settings = ("encoder.network=small", "encoder.steps=2", "encoder.batch_size=4")
    Pipeline(tmp_path / "exams", tmp_path / "store").run(tiny_config(*settings, scores=(0,)))
    return tmp_path / "store"


def test_it_is_shown_and_unpinned(lusgan, store: Path) -> None:
    """The command names network, patients and doubt; with --renew weights and manifest are gone,
    and asked again there is none. No patient's code is shown."""
    shown = json.loads(lusgan("encoder", "--store", store, "--json").out)
    (one,) = shown["encoders"]
    assert (one["network"], one["patients"], shown["unpinned"]) == ("small", 3, [])
    assert one["doubt"]
    text = lusgan("encoder", "--store", store).out
    assert "3 training patients" in text
    assert "it judges no scores" in text
    assert "900" not in text
    assert (store / "encoders" / one["name"] / "encoder.safetensors").is_file()
    assert (
        "the next `lusgan run` makes another" in lusgan("encoder", "--store", store, "--renew").out
    )
    assert not list((store / "encoders").rglob("*.*"))
    assert "no encoder" in lusgan("encoder", "--store", store).out
