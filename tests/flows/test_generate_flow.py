"""The flow ``generate``: a task of Prefect's from a model of the store, without exams."""

from __future__ import annotations

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.promotion.current import current_model
from tiny_runs import Pipeline, tiny_config, write_exams


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Train a model of score 2 that becomes current."""
    folder = tmp_path_factory.mktemp("generate")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    pipeline.run(tiny_config("promotion.min_diversity=0", scores=(2,)))
    return pipeline


@pytest.mark.usefixtures("prefect_server")
def test_the_flow_takes_the_current_model(where: Pipeline) -> None:
    """Frames are of the score's current model or the one that is named; no exam is looked at."""
    from lusgan_flows.generate_flow import generate

    current = current_model(where.store, 2)
    key = generate(where.store.uri, score=2, number=5, seed=11)
    assert key.startswith(f"samples/score-2/{current.model}/seed-11-")
    assert where.store.exists(key)
    assert generate(where.store.uri, model=current.model[-8:], number=5, seed=11) == key


@pytest.mark.usefixtures("prefect_server")
def test_the_flow_refuses_what_it_does_not_find(where: Pipeline) -> None:
    """A score without a current model ends the run with what to do, and makes nothing."""
    from lusgan_flows.generate_flow import generate

    before = set(where.files())
    with pytest.raises(ConfigError, match="score 1 has no current model: `lusgan run` trains one"):
        generate(where.store.uri, score=1)
    assert set(where.files()) == before
