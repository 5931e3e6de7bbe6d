"""What all stages share: calls, their keys, and how they are made once."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from lusgan_core.calls.call import (
    Product,
    StageCall,
    StageContext,
    execute,
    lookup,
    new_call,
    stored,
    stored_once,
)
from lusgan_core.calls.provenance import Manifest, digest_bytes, library_versions
from lusgan_core.errors import ConfigError, LeaseError, StoreError, TrainingStopped
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.ingestion import stage as ingest
from lusgan_core.pipeline.runner import RUNS, run_stage
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.store import LocalStore


class Facts(BaseModel):
    """What the stage of these tests leaves."""

    number: int


def make_call(
    options: BaseModel | None = None, stage: str = "select", version: int = 1, **inputs: str
) -> StageCall:
    """Return a call of a stage with these inputs."""
    return new_call(
        stage,
        version,
        label="a call",
        inputs=inputs,
        options=options,
        arguments={},
        manifest=lambda key: f"things/{key[:8]}/manifest.json",
        unkeyed={"batch_size"},
    )


class Counted:
    """A stage that counts how often it runs and leaves one artifact."""

    def __init__(self, seconds: float = 0) -> None:
        self.runs, self.seconds = 0, seconds

    def __call__(self, call: StageCall, context: StageContext) -> Product:
        self.runs += 1
        number = self.runs
        time.sleep(self.seconds)
        folder = call.manifest.rpartition("/")[0]
        ref = stored(context.store, f"{folder}/thing", b"thing")
        return Product(Facts(number=number), {"thing": ref}, seed=3)


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(LocalStore(tmp_path / "store"))


def test_key_depends_on_inputs_and_options_alone() -> None:
    """The same call has the same key; other inputs or options have another; labels count not."""
    options = GenerationOptions()
    key = make_call(options, a="1").cache_key
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert make_call(options, a="1").cache_key == key
    assert make_call(options, a="2").cache_key != key
    assert make_call(options, a="1", b="2").cache_key != key
    assert make_call(GenerationOptions(count=3), a="1").cache_key != key


def test_key_depends_on_the_stage_and_its_version() -> None:
    """A raised version, or another stage with the same inputs and options, has another key."""
    calls = [make_call(a="1"), make_call(a="1", version=2), make_call(a="1", stage="train")]
    assert len({call.cache_key for call in calls}) == 3


def test_options_that_change_no_result_are_in_no_key() -> None:
    """They reach the stage, but another value finds the same result."""
    one, other = (make_call(GenerationOptions(batch_size=n)) for n in (1, 64))
    assert one.cache_key == other.cache_key
    assert (one.options["batch_size"], other.options["batch_size"]) == (1, 64)


def test_key_depends_on_the_plugins_code(plugins) -> None:
    """Calls that use different plugins have different keys, and say which."""

    def key(*used: tuple[str, str]) -> StageCall:
        return new_call(
            "train",
            1,
            label="", inputs={}, options=None, arguments={}, manifest=str,
            plugins=used, registry=plugins,
        )  # fmt: skip

    calls = [key(), key(("loss", "SGAN")), key(("loss", "LSGAN")), key(("penalty", "r1"))]
    assert len({call.cache_key for call in calls}) == 4
    assert set(calls[1].plugins) == {"loss/SGAN"}


def test_a_call_survives_json() -> None:
    """A call can be handed to another machine."""
    call = make_call(GenerationOptions(), a="1")
    assert StageCall.model_validate_json(call.model_dump_json()) == call


def test_a_call_is_made_once(context: StageContext) -> None:
    """The second time the first one's manifest is handed out."""
    stage, call = Counted(), make_call()
    assert lookup(call, context.store) is None
    first = execute(call, context, stage)
    assert execute(call, context, stage) == first == lookup(call, context.store)
    assert (stage.runs, first.data, first.seed) == (1, {"number": 1}, 3)


def test_a_manifest_says_when_and_on_what(context: StageContext) -> None:
    """Time, device and libraries are those of the run that made it."""

    def on_a_card(call: StageCall, context: StageContext) -> Product:
        return Product(Facts(number=1), device="a card", timings_s={"training": 2.0})

    before = datetime.now(UTC)
    made = execute(make_call(), context, on_a_card)
    assert made.created is not None
    assert before <= made.created <= datetime.now(UTC)
    assert (made.device, made.timings_s["training"]) == ("a card", 2.0)
    assert made.libraries == library_versions()


def test_the_manifest_comes_last(context: StageContext) -> None:
    """A stage that fails leaves no manifest, so that it is made again."""
    call = make_call()

    def fails(call: StageCall, context: StageContext) -> Product:
        stored(context.store, "things/half", b"")
        raise StoreError("no room")

    with pytest.raises(StoreError):
        execute(call, context, fails)
    assert lookup(call, context.store) is None
    assert [o.key for o in context.store.list()] == ["things/half"]
    assert execute(call, context, Counted()).data == {"number": 1}


def test_the_first_manifest_counts(context: StageContext) -> None:
    """Of calls made side by side one is written, and all return that one."""
    call, stage = make_call(), Counted(seconds=0.05)
    results: list[Manifest] = []
    threads = [
        threading.Thread(target=lambda: results.append(execute(call, context, stage)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stage.runs > 1
    assert results == [lookup(call, context.store)] * 4


def test_a_manifest_that_cannot_be_used_is_no_first_one(context: StageContext) -> None:
    """Where another run left half a manifest meanwhile, that of this run takes its place."""
    call, stage = make_call(), Counted()

    def disturbed(call: StageCall, context: StageContext) -> Product:
        context.store.put(call.manifest, b"{")
        return stage(call, context)

    made = execute(call, context, disturbed)
    assert lookup(call, context.store) == made


def test_a_manifest_without_its_artifacts_is_replaced(context: StageContext) -> None:
    """If what a manifest names is gone, the call is made again and its new manifest written."""
    call, stage = make_call(), Counted()
    first = execute(call, context, stage)
    context.store.delete(first.artifacts["thing"].key)
    assert lookup(call, context.store) is None
    assert execute(call, context, stage).data == {"number": 2}
    assert lookup(call, context.store).data == {"number": 2}


def test_what_is_stored_once_stays(context: StageContext) -> None:
    """Whoever comes second leaves the bytes of the first alone, and refers to those."""
    store = context.store
    first = stored_once(store, "page", b"the first")
    assert stored_once(store, "page", b"the second one") == first
    assert store.get("page") == b"the first"
    assert (first.digest, first.size) == (digest_bytes(b"the first"), 9)


def test_stages_without_a_source_say_so(context: StageContext) -> None:
    """A stage that needs exams says which option names them."""
    for stage in (ingest, preprocess):
        with pytest.raises(ConfigError, match="--exams"):
            stage.run(make_call(), context)


def test_every_stage_has_a_name_and_a_run() -> None:
    """The stages are listed in the order of the data, and no other name is run."""
    assert list(RUNS) == [
        "ingest", "preprocess", "select", "encode", "train", "generate", "evaluate", "classify",
        "useful", "promote", "report",
    ]  # fmt: skip
    with pytest.raises(KeyError):
        run_stage(make_call().model_copy(update={"stage": "other"}), StageContext(store=NoStore()))


class NoStore(LocalStore):
    """A store that holds nothing."""

    def __init__(self) -> None:
        self.uri = "nowhere"

    def get(self, key: str) -> bytes:
        raise FileNotFoundError(key)


def test_leases_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that another run is at is waited for, then gone on with; a stop ends the wait."""
    from lusgan_core.training import score

    monkeypatch.setattr(score, "POLL_S", 0.01)
    tries: list[int] = []

    def busy_twice() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise LeaseError("process 7 trains it")
        return "trained"

    context = StageContext(LocalStore(tmp_path))
    assert score._train_or_wait(busy_twice, "train score 0", context) == "trained"
    tries.clear()
    context.stop.request()
    with pytest.raises(TrainingStopped, match="process 7"):
        score._train_or_wait(busy_twice, "train score 0", context)
