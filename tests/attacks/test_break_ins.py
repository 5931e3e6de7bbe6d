"""Ports, files and commands of a running stack, tried without a key and as another account.

Tests of this module follow each other: the first ones come while four scores are trained.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError
from break_ins import NOBODY, Plan, attack, is_of_this_machine_alone, listening, of_stack
from stack import RUN, Stack

from lusgan_ops.up.services import READER

pytestmark = pytest.mark.timeout(900)
ACCOUNTS = [
    pytest.param(0, id="this account"),
    pytest.param(
        NOBODY,
        id="another account",
        marks=pytest.mark.skipif(os.getuid() != 0, reason="NO ATTACK AS ANOTHER ACCOUNT: be root"),
    ),
]
EVIL = "https://evil.example"
PATIENT = re.compile(r'9001/1|_9001_|"9001"')
GUESS = base64.b64encode(b"lusgan:lusgan").decode()
SHOWN_TO_ALL = re.compile(r"^/(docs|openapi.json|ui-settings|api/health|api/ready|health)$")
"""What says nothing of a hospital: that a server is there, and what its interface is."""


def ports(stack: Stack) -> list[tuple[str, Any]]:
    """Where the stack listens now."""
    return listening(of_stack(stack.home))


def plan(stack: Stack, **more: Any) -> Plan:
    """Make an intruder's plan who knows every address, and has no key."""
    patient = "9001/1/convex_9001_1_1.mat"
    objects = [
        *stack.stored("current/"),
        *stack.stored("reports/")[:3],
        *stack.stored("shards/")[:1],
    ]
    files = [f"/buckets/artifacts/{key}" for key in objects]
    weed = {name: stack.port + above for name, above in WEED.items()}
    return Plan(
        places=ports(stack),
        paths=[
            "/", "/status", "/metrics", "/healthz", "/exams/", f"/exams/{patient}",
            "/buckets/exams/", f"/buckets/exams/{patient}", "/buckets/artifacts/?limit=9", *files,
            *(f"/artifacts/{key}" for key in objects), *(f"/{key}" for key in objects),
            "/dir/assign", "/dir/status", "/dir/lookup?volumeId=1&read=yes", "/vol/status",
            "/dir/lookup?fileId=1,01&read=yes", "/1,01", "/cluster/status", "/debug/pprof/",
            "/api/flow_runs/filter", "/api/deployments/filter", "/api/admin/settings",
            "/api/block_documents/filter", "/api/work_pools/filter", "/api/events/filter",
            "/api/logs/filter", "/api/csrf-token?client=x", "/api/variables/filter",
        ],
        headers=[{}, {"Authorization": f"Basic {GUESS}", "Origin": EVIL}],
        folder="/buckets/exams/9001/1",
        name="convex_9001_1_1.mat",
        authority_pem=(stack.home / "s3/authority.pem").read_text(),
        commands=commands(weed, f"/buckets/exams/{patient}"),
        files=[str(stack.home)],
        **more,
    )  # fmt: skip


WEED = {"master": 11, "volume": 12, "filer": 13}


def commands(weed: dict[str, int], key: str) -> list[tuple[list[str], str]]:
    """SeaweedFS's own commands, on a stack's ports."""
    binary = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert binary is not None
    master, filer = f"127.0.0.1:{weed['master']}", f"127.0.0.1:{weed['filer']}"
    shell = [binary, "shell", f"-master={master}", f"-filer={filer}"]
    return [
        (shell, "fs.ls -l /buckets/exams\nfs.cat /etc/seaweedfs/filer.conf\n"),
        (shell, "volume.list\ns3.bucket.list\n"),
        ([binary, "filer.cat", f"http://{filer}{key}"], ""),
        ([binary, "filer.meta.tail", f"-filer={filer}", "-timeAgo=1h"], ""),
        ([binary, "download", f"-server={master}", "-dir=/tmp", "1,01"], ""),
    ]


def data(answers: list[dict[str, Any]], front: str = "") -> list[dict[str, Any]]:
    """The answers that give something: what nobody but the owner should see, or a deed done."""
    found = []
    for answer in answers:
        told = answer["body"]
        if answer["how"] == "command":
            gives = "DataCenter" in told or "artifacts" in told
        elif "http" in answer["how"]:
            harmless = not told or told == front or SHOWN_TO_ALL.match(answer["what"])
            gives = answer["status"] < 400 and not harmless
        else:
            gives = answer["status"] < 400
        if gives or (PATIENT.search(told) and "9001" not in answer["what"]):  # an error repeats it
            found.append(answer)
    return found


def front_page(stack: Stack) -> str:
    """What Prefect's UI, which has no data in it, answers to any address."""
    with urlopen(stack.api.removesuffix("/api") + "/", timeout=30) as reply:
        return str(reply.read(4000).decode("latin-1"))


def shown(answers: list[dict[str, Any]]) -> list[Any]:
    """Answers in short, for a failure's message."""
    return [(a["how"], a["where"], a["what"], a["status"], a["body"][:80]) for a in answers[:20]]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_port_gives_data_without_a_key(stack: Stack, account: int) -> None:
    """During a run, each port of the system's table is asked in every way: 0 answers with data."""
    stack.until(lambda: stack.runs("pipeline"), 240, "the pipeline to begin")
    stored = stack.stored("shards/")
    stack.until(lambda: stack.stored("models/"), 240, "trainings")
    mine = plan(stack, account=account)
    if not account:  # who owns the files may read them, and the keys in them
        mine = replace(mine, files=[], commands=mine.commands)
    answers = attack(mine)
    asked = {a["where"][1][1] for a in answers if a["where"][0] == "tcp"}
    print(f"{len(mine.places)} places, {len(answers)} answers")
    assert len(mine.places) >= 12, mine.places
    assert len(answers) > 1000
    assert asked >= {stack.port + above for above in (0, 1, 10)}, "UI, reports and S3 answer"
    assert not data(answers, front_page(stack)), shown(data(answers, front_page(stack)))
    assert set(stored) <= set(stack.stored("shards/"))
    assert not [a for a in answers if a["shared"] in ("*", EVIL) and data([a], front_page(stack))]


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    """Every place of the system's table is on loopback, or a socket in the file system."""
    assert [place for place in ports(stack) if not is_of_this_machine_alone(place)] == []


def test_who_has_the_keys_gets_in(stack: Stack) -> None:
    """The same attack with the stack's own certificate and login finds data: the check can fail."""
    keys = {
        "authority": str(stack.home / "s3/authority.pem"),
        "certificate": str(stack.home / "s3/certificate.pem"),
        "key": str(stack.home / "s3/key.pem"),
    }
    signed = base64.b64encode(stack.login().encode()).decode()
    mine = replace(
        plan(stack), headers=[{"Authorization": f"Basic {signed}"}], token=stack.login(), **keys
    )
    found = data(attack(replace(mine, commands=[])), front_page(stack))
    ways = {(answer["how"], answer["what"]) for answer in found}
    assert ("grpc with TLS", "/filer_pb.SeaweedFiler/ListEntries") in ways
    assert ("grpc with TLS", "/master_pb.Seaweed/Assign") in ways
    assert ("websocket", "/api/events/out") in ways
    assert ("http GET", "/api/admin/settings") in ways
    assert {a["what"] for a in found if a["how"] == "file"} >= {"login", "s3.json", "key.pem"}


def test_files_are_for_their_owner_alone(stack: Stack) -> None:
    """With a umask of 0, no file or folder of a home can be reached by anybody else."""
    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    for path in (stack.home / "login", *sorted((stack.home / "s3").glob("*.*"))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    theirs = [path for path in stack.home.rglob("*") if path.is_file() and mode(path) & 0o077]
    assert not [path for path in theirs if not closed_above(path, stack.home)]
    for log in (stack.home / "logs").glob("*"):
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    mine = [Path(f"/tmp/{name}") for name in os.listdir("/tmp") if name.startswith("weed.")]
    running = {str(process) for process in of_stack(stack.home)}
    assert not [path for path in mine if path.suffix.removeprefix(".") in running]


def mode(path: Path) -> int:
    """Permissions; 0 for what has just been deleted."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:
        return 0


def closed_above(path: Path, home: Path) -> bool:
    """Whether a folder between home and a file, home included, lets nobody else through."""
    return any(not mode(above) & 0o077 for above in path.parents if above.is_relative_to(home))


def test_a_page_of_another_site_cannot_write(stack: Stack) -> None:
    """With the right login but without the server's own token, a change is refused."""
    signed = base64.b64encode(stack.login().encode()).decode()
    headers = {
        "Authorization": f"Basic {signed}", "Origin": EVIL, "Content-Type": "application/json"
    }  # fmt: skip
    body = json.dumps({"name": "evil", "type": "process"}).encode()
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(f"{stack.api}/work_pools/", body, headers), timeout=30)
    with urlopen(Request(f"{stack.api}/admin/version", headers=headers), timeout=30) as reply:
        assert reply.headers["Access-Control-Allow-Origin"] in (None, f"http://{EVIL}")
    headers["Access-Control-Request-Method"] = "POST"
    request = Request(f"{stack.api}/work_pools/", headers=headers, method="OPTIONS")
    with pytest.raises(HTTPError, match="400"):
        urlopen(request, timeout=30)


def test_reports_are_for_who_signs_in(stack: Stack) -> None:
    """Once the run has ended its page is given to who signs in, and its manifest to nobody."""
    run = stack.next_run(0)
    assert run["state_type"] == "COMPLETED", run["state"]
    page = next(key for key in stack.stored("reports/") if key.endswith("/index.html"))
    site = f"http://127.0.0.1:{stack.port + 1}"
    signed = {"Authorization": f"Basic {base64.b64encode(stack.login().encode()).decode()}"}
    with urlopen(Request(f"{site}/{page}", headers=signed), timeout=30) as reply:
        assert b"<html" in reply.read()
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    manifest = page.replace("index.html", "manifest.json")
    assert b"9001" in stack.get(manifest)
    for url, headers, code in (
        (f"{site}/{page}", {}, 401),
        (f"{site}/{manifest}", signed, 404),
        (f"{site}/{page}", signed | {"Host": "evil.example"}, 421),
    ):
        with pytest.raises(HTTPError, match=str(code)):
            urlopen(Request(url, headers=headers), timeout=30)


def test_keys_of_the_storage_are_by_role(stack: Stack) -> None:
    """The process that browsers speak to has a key that reads artifacts and does nothing else, and
    Prefect's server has none."""
    (serving,) = stack.processes("serve_reports")
    servers = stack.processes("prefect server")
    held = [Path(f"/proc/{one}/environ").read_bytes() for one in (serving, *servers)]
    runs, reader = stack.s3(), stack.s3(READER)
    secrets = [client._request_signer._credentials.secret_key for client in (runs, reader)]
    assert [[key.encode() in environ for key in secrets] for environ in held] == [
        [False, True], *([False, False] for _ in servers)
    ]  # fmt: skip
    page = next(key for key in stack.stored("reports/") if key.endswith("/index.html"))
    exam = runs.list_objects_v2(Bucket="exams")["Contents"][0]["Key"]
    assert reader.get_object(Bucket="artifacts", Key=page)["Body"].read()
    for act in (
        lambda: reader.put_object(Bucket="artifacts", Key=page, Body=b"mine"),
        lambda: reader.delete_object(Bucket="artifacts", Key=page),
        lambda: reader.get_object(Bucket="exams", Key=exam),
        lambda: reader.list_objects_v2(Bucket="exams"),
        lambda: reader.create_bucket(Bucket="mine"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            act()
    assert runs.get_object(Bucket="artifacts", Key=page)["Body"].read() != b"mine"


def test_a_login_of_the_operators_own_is_kept(stack: Stack) -> None:
    """`lusgan status` finds the stack's login by itself; without a home it has none."""
    said = stack.lusgan("status", f"--home={stack.home}", "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["workers"] >= 1
    assert stack.login() not in said.stdout + said.stderr + stack.log.read_text()
    assert RUN
