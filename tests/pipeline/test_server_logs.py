"""Logs of a stack, and what a withdrawal takes out of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lusgan_core.pipeline.server_logs import LOGS, forget

LINES = b"""DeleteObjectHandler artifacts shards/9004/1/clip.h5
DeleteObjectHandler artifacts shards/9005/1/clip.h5
I1127 11:18:05.90041 19004 a time and a number that are no code
put exams/9004.mat
[9004]
"""


def test_lines_with_a_withdrawn_code_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every log; lines of others, and longer numbers with the code in them, stay."""
    monkeypatch.setenv(LOGS, str(tmp_path))
    for name in ("s3.log", "worker.log"):
        (tmp_path / name).write_bytes(LINES)
    assert forget({"9004", ""}) == 6
    for name in ("s3.log", "worker.log"):
        assert (tmp_path / name).read_bytes().splitlines() == LINES.splitlines()[1:3]
    assert forget({"9004"}) == forget(set()) == 0


def test_codes_are_texts_not_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code with signs of a pattern deletes its own lines alone."""
    monkeypatch.setenv(LOGS, str(tmp_path))
    (tmp_path / "s3.log").write_bytes(b"x/a.b/1\nx/acb/1\n")
    assert forget({"a.b"}) == 1
    assert (tmp_path / "s3.log").read_bytes() == b"x/acb/1\n"


def test_codes_are_found_as_a_server_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an address, what is not ASCII is written by its bytes in hexadecimal."""
    monkeypatch.setenv(LOGS, str(tmp_path))
    (tmp_path / "s3.log").write_bytes(b"GET /exams/M%C3%BCller%207/1\nGET /exams/M%C3%BCller/1\n")
    assert forget({"Müller 7"}) == 1


def test_who_writes_to_a_log_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that appends meanwhile leaves no hole and loses no later line."""
    monkeypatch.setenv(LOGS, str(tmp_path))
    script = "print('x/9004/1', flush=True); input(); print('later', flush=True)"
    log = tmp_path / "s3.log"
    with log.open("ab") as stream:
        writer = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=stream
        )
    while not log.stat().st_size:
        assert writer.poll() is None
    forget({"9004"})
    writer.communicate(b"\n", timeout=60)
    assert log.read_bytes() == b"later\n"


def test_without_a_stack_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`lusgan run` by itself has no logs to look into."""
    monkeypatch.delenv(LOGS, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("s3.log").write_bytes(LINES)
    assert forget({"9004"}) == 0
    assert Path("s3.log").read_bytes() == LINES
