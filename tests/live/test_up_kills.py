"""Flow process, worker, server and S3 server, each killed with -9 while a pipeline runs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from stack import FINAL, Stack

from campaigns import Campaign
from tiny_runs import tiny_config, write_exams

VICTIMS = ("prefect.engine", "prefect server", "prefect worker", "mini -dir")
EXAMS = "s3://artifacts/uploads"
RESULTS = ("models/", "samples/", "shards/")
VARIES = (".json", ".csv", "checkpoints/", "tensorboard/", "previews/")
"""What holds times, or differs by where a training was taken up again."""

pytestmark = pytest.mark.timeout(900)
BEGINS_S = 420
"""A place that a killed server had given away comes free when its lease has run out."""


@dataclass(frozen=True)
class Reference:
    """What a run that nobody disturbed came to."""

    content: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def stack(unwatched: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Upload exams to where the schedule does not look."""
    exams, client = write_exams(tmp_path_factory.mktemp("kills") / "exams"), unwatched.s3()
    for file in sorted(exams.rglob("*.*")):
        key = f"uploads/{file.relative_to(exams).as_posix()}"
        client.upload_file(str(file), "artifacts", key)
    return unwatched


@pytest.fixture(scope="module")
def reference(stack: Stack) -> Reference:
    """Run the pipeline undisturbed."""
    run = begin(stack, "undisturbed")
    ended(stack, run, 300)
    assert stack.state(run) == "COMPLETED"
    told = stack.ask(f"/flow_runs/{run}")
    return Reference(content(stack, "undisturbed"), told["total_run_time"])


def config() -> dict[str, Any]:
    """Options of a short training that saves a checkpoint wherever it can."""
    chosen = tiny_config("training.iterations=100", "runtime.checkpoint_s=0.1")
    return chosen.model_dump(mode="json")


def begin(stack: Stack, place: str) -> str:
    """Start the pipeline with a store of its own."""
    return stack.begin(
        "pipeline", exams=EXAMS, store=f"s3://artifacts/{place}", config=config(),
        preset="demo", settle_s=0, train_on="",
    )  # fmt: skip


def ended(stack: Stack, run: str, within_s: float) -> None:
    """Wait until a run has ended, however often the server goes away meanwhile."""
    stack.until(lambda: asked(stack, run) in FINAL, within_s, "the end of a run")


def asked(stack: Stack, run: str) -> str | None:
    """The state of a run; None while the server does not answer."""
    try:
        return stack.state(run)
    except OSError:
        return None


def content(stack: Stack, place: str) -> dict[str, bytes]:
    """Everything a run made that does not tell of when and how: key below its place -> bytes."""
    found = {}
    for key in stack.stored(f"{place}/"):
        name = key.removeprefix(f"{place}/")
        if name.startswith(RESULTS) and not any(word in name for word in VARIES):
            found[name] = stack.get(key)
    return found


def finished(stack: Stack, place: str) -> dict[str, Any]:
    """Every object that a manifest of this moment names, manifests included -> when it was put."""
    pages = stack.s3().get_paginator("list_objects_v2").paginate(
        Bucket="artifacts", Prefix=f"{place}/"
    )  # fmt: skip
    times = {o["Key"]: o["LastModified"] for page in pages for o in page.get("Contents", [])}
    named = {}
    for key in times:
        # a lease may be given back between the listing and a look at it
        if key.endswith(".json") and "/results/" not in key and not key.endswith("lease.json"):
            told = json.loads(stack.get(key))
            if isinstance(told, dict) and "cache_key" in told:
                parts = (f"{place}/{a['key']}" for a in told["artifacts"].values())
                named |= {part: times[part] for part in (key, *parts) if part in times}
    return named


@pytest.mark.campaign("kills")
def test_killed_at_any_moment(
    stack: Stack, reference: Reference, campaign: Campaign, number: int
) -> None:
    """By itself, or run again, it ends in the same bytes, and what was finished stays."""
    victim, place = VICTIMS[number % len(VICTIMS)], f"round-{number}"
    moment = campaign.chance(number).uniform(0, reference.seconds)
    run = begin(stack, place)
    stack.until(lambda: asked(stack, run) == "RUNNING", BEGINS_S, "the run to begin")
    time.sleep(moment)
    assert stack.kill(victim) >= 1 or victim == "prefect.engine"  # which may have ended
    stack.until(stack.answers, 90, "server and S3")
    before = finished(stack, place)
    ended(stack, run, 240)
    first = stack.state(run)
    for _ in range(2):
        if stack.state(run) == "COMPLETED":
            break
        run = begin(stack, place)
        ended(stack, run, 240)
    campaign.row(
        number=number, killed=victim, after_s=f"{moment:.1f}", first=first,
        finished_before=len(before), end=stack.state(run),
    )  # fmt: skip
    assert stack.state(run) == "COMPLETED", stack.ask(f"/flow_runs/{run}")["state"]
    assert content(stack, place) == reference.content
    after = finished(stack, place)
    assert {key: after.get(key) for key in before} == before


def test_two_pipelines_at_once(stack: Stack, reference: Reference) -> None:
    """A deployed run and `lusgan run` on one store, side by side, end as if one had run."""
    run = begin(stack, "both")
    stack.until(lambda: asked(stack, run) == "RUNNING", BEGINS_S, "the run to begin")
    options = stack.home.parent / "both.json"
    options.write_text(json.dumps(config()))
    other = stack.lusgan(
        "run", f"--exams={EXAMS}", "--store=s3://artifacts/both", "--preset=demo",
        f"--config={options}", "--json", s3=True,
    )  # fmt: skip
    assert other.returncode == 0, other.stderr
    ended(stack, run, 240)
    assert stack.state(run) == "COMPLETED"
    assert content(stack, "both") == reference.content
