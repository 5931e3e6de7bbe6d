"""``lusgan up`` as an operator sees it: real server, worker and S3, from an upload to a report.

The tests of this module follow each other: each goes on with what the one before has left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from stack import TRAINERS, Stack, lenient

from documents import ROOT, blocks
from lusgan_core.phantom.files import write_scores
from lusgan_core.pipeline.events import HELD_BACK, resource
from mail_server import Inbox, started
from tiny_runs import Pipeline, write_exams

pytestmark = pytest.mark.timeout(900)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FIRST = ("9001", "9002", "9003")
CODES = tuple(str(code) for code in range(9001, 9017))
HELD_OUT = "9016"
"""Its place by the seed of the split; 9015 trains."""


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write exams of sixteen patients; from the fourth on, all frames have score 2."""
    folder = write_exams(tmp_path_factory.mktemp("uploads") / "exams", patients=16)
    for file in folder.rglob("*_score.mat"):
        if file.parts[-3] not in FIRST:
            write_scores(file, [2] * 6, "score", v73=False)
    return folder


@pytest.fixture(scope="module")
def stack(up: Stack) -> Stack:
    """Start the stack unless it runs."""
    return up.need()


def scores_of(run: dict[str, Any]) -> set[str]:
    """Scores that a run trained, by its tags."""
    return {tag for tag in run["tags"] if tag.startswith("score-")}


def current(stack: Stack, score: int) -> str | None:
    """Return the current model of a score."""
    if f"current/score-{score}.json" not in stack.stored("current/"):
        return None
    return json.loads(stack.get(f"current/score-{score}.json"))["model"]


def test_the_first_exams_train_all_scores(stack: Stack, exams: Path) -> None:
    """Uploads alone lead to models, a report in the bucket, and a current model of each score."""
    stack.upload(exams, *FIRST)
    run = stack.next_run(0)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["name"] == "retrain scores 0, 1, 2, 3 (3 new exams)"
    assert [key for key in stack.stored("reports/") if key.endswith("/index.html")]
    assert all(current(stack, score) for score in range(4))


def test_an_exam_of_one_score_retrains_that_score(
    stack: Stack, exams: Path, record_property: Any
) -> None:
    """Only score 2 is trained again, and its current model moves; the other three stay."""
    before = {score: current(stack, score) for score in range(4)}
    runs = len(stack.runs("pipeline"))
    uploaded = time.time()
    stack.upload(exams, "9004")
    run = stack.next_run(runs)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["name"] == "retrain score 2 (1 new exam)"
    assert scores_of(run) == {"score-2"}
    after = {score: current(stack, score) for score in range(4)}
    assert after[2] != before[2]
    assert {s: after[s] for s in (0, 1, 3)} == {s: before[s] for s in (0, 1, 3)}
    began = datetime.fromisoformat(run["start_time"]).timestamp()
    record_property("upload_to_run_start_s", round(began - uploaded, 1))
    print(f"\nfrom upload to run start: {began - uploaded:.1f} s")
    assert began - uploaded < 120


def test_pictures_show_in_the_ui(stack: Stack) -> None:
    """Chromium shows deployments, the form of `pipeline`, and a run's artifacts as pictures."""
    if CHROMIUM is None:
        pytest.skip("NO BROWSER TEST RUNS: install chromium")
    ui, run = stack.api.removesuffix("/api"), stack.runs("pipeline")[-1]
    found = stack.ask(
        "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 50}
    )
    keys = {artifact["key"]: artifact["id"] for artifact in found}
    deployment = stack.ask("/deployments/name/pipeline/pipeline")["id"]
    with Browser(CHROMIUM) as browser:
        browser.sign_in(ui, stack.login())
        browser.open(f"{ui}/deployments", "train-score")
        browser.open(f"{ui}/deployments/deployment/{deployment}/run", "Backbone")
        assert "Options of that backbone" in browser.text()
        browser.open(f"{ui}/runs/flow-run/{run['id']}", run["name"])
        for key, pictures in (("score-2-synthetic", 1), ("score-2-nearest", 4)):
            browser.open(f"{ui}/artifacts/artifact/{keys[key]}", key)
            stack.until(
                lambda number=pictures: len([w for w in browser.pictures() if w > 20]) >= number,
                30,
                f"pictures of {key}",
            )
    report = next(a["data"] for a in found if a["key"] == "report")
    assert f"http://127.0.0.1:{stack.port + 1}/reports/" in report


def test_a_half_uploaded_exam_waits(stack: Stack, exams: Path) -> None:
    """While clips of a new exam keep coming nothing starts; once they stop, one run takes all."""
    runs = len(stack.runs("pipeline"))
    files = sorted((exams / "9005").rglob("*.mat"))
    for file in files:
        stack.s3().upload_file(str(file), "exams", file.relative_to(exams).as_posix())
        time.sleep(5)
    assert len(stack.runs("pipeline")) == runs
    run = stack.next_run(runs)
    assert run["name"] == "retrain score 2 (1 new exam)"
    assert stack.quiet(30) == runs + 1


def test_ten_exams_at_once_give_one_run(stack: Stack, exams: Path) -> None:
    """Ten uploads lead to one run."""
    runs = len(stack.runs("pipeline"))
    stack.upload(exams, *CODES[5:14], HELD_OUT)
    run = stack.next_run(runs)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["name"] == "retrain score 2 (10 new exams)"
    assert stack.quiet(30) == runs + 1


def test_a_withdrawn_exam_is_taken_out(stack: Stack) -> None:
    """An exam deleted from the bucket leaves the store, and its score is trained without it."""
    runs, before = len(stack.runs("pipeline")), current(stack, 2)
    log = next((stack.home / "logs").glob("s3.log"))
    with log.open("ab") as lines:  # as the S3 server names what it cannot delete
        lines.write(b"delete exams/9004/1/a.mat failed\ndelete exams/9001/1/a.mat failed\n")
    client = stack.s3()
    listed = client.list_objects_v2(Bucket="exams", Prefix="9004/")["Contents"]
    for item in listed:
        client.delete_object(Bucket="exams", Key=item["Key"])
    run = stack.next_run(runs)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["name"] == "retrain score 2 (1 withdrawn)"
    assert scores_of(run) == {"score-2"}
    assert not stack.stored("shards/9004/")
    assert current(stack, 2) not in (before, None)
    logs = b"".join(log.read_bytes() for log in (stack.home / "logs").glob("*.log"))
    assert b"exams/9001/1/a.mat" in logs
    assert b"9004/1" not in logs


def test_no_patient_is_named_on_the_server(stack: Stack) -> None:
    """Neither names, tags and parameters of runs nor events hold a patient's code."""
    runs = stack.ask("/flow_runs/filter", {"limit": 200})
    told = json.dumps([[run["name"], run["tags"], run["parameters"]] for run in runs])
    events = stack.ask("/events/filter", {"filter": {"event": {"prefix": ["lusgan."]}}})["events"]
    assert len(events) >= 14
    told += json.dumps([[e["event"], e["resource"], e["payload"]] for e in events])
    assert not [code for code in CODES if f'"{code}"' in told or f"{code}/" in told]


def test_killed_processes_come_back(stack: Stack, exams: Path) -> None:
    """Server, S3 and worker killed during a run: it ends by itself in the same model."""
    runs = len(stack.runs("pipeline"))
    stack.upload(exams, "9015")
    stack.until(lambda: len(stack.runs("pipeline")) > runs, 120, "the run to begin")
    assert stack.kill("prefect.engine") >= 1
    assert stack.kill("prefect worker") >= 1
    assert stack.kill("mini -dir") == 1
    assert stack.kill("prefect server") == 1
    stack.until(stack.answers, 90, "the server")
    remaining = exams.parent / "remaining"
    shutil.copytree(
        exams, remaining, ignore=shutil.ignore_patterns("9004", "*_9004_*", "*_9005_*_mask.png")
    )
    alone = Pipeline(remaining, exams.parent / "store")
    outcome = alone.run(lenient())
    wanted = outcome.scores[2]["train"]
    stack.until(lambda: stack.answers() and current(stack, 2) == wanted.data["name"], 500, "model")
    assert stack.get(wanted.artifacts["generator"].key) == alone.store.get(
        wanted.artifacts["generator"].key
    )


def test_notify_vouches_for_an_exam(stack: Stack) -> None:
    """`lusgan notify` starts a look at once: the server takes the event, and a run follows."""
    runs = len(stack.runs("pipeline"))
    told = stack.lusgan("notify", "9001/1", f"--home={stack.home}")
    assert told.returncode == 0, told.stderr
    run = stack.next_run(runs)
    assert run["name"].startswith("nothing new")


def complaints(stack: Stack) -> list[dict[str, Any]]:
    """What `lusgan doctor` finds wrong."""
    doctor = stack.lusgan("doctor", f"--home={stack.home}", "--json")
    findings = [found for found in json.loads(doctor.stdout) if not found["ok"]]
    print(findings)
    return findings


def test_ctrl_c_and_the_same_command(stack: Stack) -> None:
    """Ctrl-C ends every process; the same command finds deployments and runs as they were.

    With another option and --retrain it says so, and a run with that option starts.
    """
    runs = len(stack.runs("pipeline"))
    stack.stop()
    assert stack.processes("prefect") == stack.processes("mini -dir") == []
    stack.start("--set=generation.count=7", "--retrain", "--nightly=3", "--timezone=Europe/Berlin")
    news = "a run starts now, with changed options: generation.count"
    stack.until(lambda: news in stack.log.read_text(), 60, "what it says of changed options")
    run = stack.next_run(runs)
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["parameters"]["config"]["generation"]["count"] == 7
    (nightly,) = stack.ask("/deployments/name/pipeline/pipeline")["schedules"]
    assert nightly["schedule"]["cron"] == "0 3 * * *"
    assert nightly["schedule"]["timezone"] == "Europe/Berlin"
    stack.until(lambda: not complaints(stack), 240, "a doctor without complaints")
    status = json.loads(stack.lusgan("status", f"--home={stack.home}", "--json").stdout)
    assert status["workers"] >= 1
    assert set(status["models"]) == {"0", "1", "2", "3"}


def test_the_ui_shows_as_well_what_is_well(stack: Stack) -> None:
    """On a machine without trainers no deployment or pool is "not ready", no run is late, looks
    that found nothing leave few runs, and there are no advertisements."""
    for what in ("deployments", "work_pools", "work_queues"):
        found = stack.ask(f"/{what}/filter", {})
        assert found
        assert {one["name"]: one["status"] for one in found if one["status"] != "READY"} == {}
    runs = stack.ask("/flow_runs/filter", {"limit": 200})
    assert not [run["name"] for run in runs if run["state_name"] == "Late"]
    looks = [run for run in stack.runs("watch") if run["state_type"] == "COMPLETED"]
    idle = [run["end_time"][:10] for run in looks if run["name"] == "nothing new"]
    assert len(idle) <= len(set(idle)) + 1  # the last one is deleted by the next
    shown = stack.ask("/admin/settings")["server"]["ui"]
    assert shown["show_promotional_content"] is False


def test_news_reach_people(stack: Stack) -> None:
    """A clip that cannot be used is told of through a webhook; failures and models by e-mail.

    On the way: killed with -9, `lusgan up` leaves processes behind, which the next start ends.
    """
    inbox = Inbox()
    mail = started(inbox)
    with listening() as (url, heard):
        block = (
            "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block;"
            f"Block(name='ops', url={url!r}, json_data={{'text': '{{{{subject}}}}: {{{{body}}}}'}})"
            ".save('ops', overwrite=True)"
        )
        environment = os.environ | {
            "PREFECT_API_URL": stack.api,
            "PREFECT_API_AUTH_STRING": stack.login(),
            "SMTP_PASSWORD": "",
        }
        for code in (block, block_of_mail(mail.port)):
            subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
        assert stack.process is not None
        stack.process.kill()
        stack.process.wait()
        stack.start("--notify=custom-webhook/ops", "--notify=email/ops", *TRAINERS)
        news = "options changed: generation.count: they apply from the next exam on, and in the"
        stack.until(lambda: news in stack.log.read_text(), 60, "what it says of changed options")
        key = "9016/1/convex_9016_1_2.mat"
        stack.s3().put_object(Bucket="exams", Key=key, Body=b"no score file beside it")
        stack.until(lambda: heard, 240, "the notification")
        fail_twice(stack)
        event = {"event": HELD_BACK, "resource": resource("exams"), "id": str(uuid.uuid4())}
        payload = {"score": 2, "reason": "realism: KID 1.07"}
        now = datetime.now(UTC).isoformat()
        stack.ask("/events", [event | {"payload": payload, "occurred": now}])
        for word in ("broken", "held back"):
            stack.until(lambda word=word: mails(inbox, word), 120, f"the mail: {word}")
    mail.stop()
    assert "clips of a new exam cannot be used" in heard[0]
    assert "9016" not in heard[0]
    (failed,), (held,) = mails(inbox, "broken"), mails(inbox, "held back")
    assert str(failed["Subject"]) == "lusgan: broken 1 Failed"
    assert "realism: KID 1.07" in str(held)
    assert not [mail for mail in inbox.mails if "9016" in str(mail) or "cannot be" in str(mail)]


def mails(inbox: Inbox, word: str) -> list[Message]:
    """Return the mails with that in their subject."""
    return [mail for mail in inbox.mails if word in str(mail["Subject"])]


def block_of_mail(port: int) -> str:
    """Return the code of the page about e-mail, for a server of this machine without a login."""
    page = blocks((ROOT / "docs/how-to/email.md").read_text(encoding="utf-8"))
    (code,) = (block.text for block in page if block.kind == "python")
    for shown, here in (
        ("smtp.example.org", "127.0.0.1"), ("=587", f"={port}"), ('"STARTTLS"', '"none"'),
        ('user="lusgan"', 'user=""'),
    ):  # fmt: skip
        assert shown in code
        code = code.replace(shown, here)
    return code


def fail_twice(stack: Stack) -> None:
    """Have two runs of one flow fail, as the server sees it, with a patient's code in the text."""
    flow = stack.ask("/flows/", {"name": "broken"})["id"]
    for number in (1, 2):
        begun = {"flow_id": flow, "name": f"broken {number}", "state": {"type": "RUNNING"}}
        run = stack.ask("/flow_runs/", begun)["id"]
        failed = {"type": "FAILED", "message": "FileNotFoundError: exams/9016/1/a.mat"}
        stack.ask(f"/flow_runs/{run}/set_state", {"state": failed, "force": True})


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a webhook, and what it has received so far."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()
