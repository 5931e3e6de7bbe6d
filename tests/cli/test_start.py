"""What the command sets before it loads anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys
from lusgan_cli import start

def run():
    loaded = [name for name in sys.modules if name.partition(".")[0] == "prefect"]
    from prefect._internal.analytics.enabled import is_telemetry_enabled
    print(json.dumps([loaded, is_telemetry_enabled(), dict(os.environ)]))

import lusgan_cli
lusgan_cli.main = run
start.main()
"""


def started(**environment: str) -> tuple[list[str], bool, dict[str, str]]:
    """Start the command with its work replaced by a look at what Prefect would do."""
    names = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "CI")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=kept | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded, telemetry, found = json.loads(done.stdout)
    return loaded, telemetry, found


def test_nothing_is_sent_home() -> None:
    """Telemetry of client and server is off before Prefect is loaded, and for what is started."""
    loaded, telemetry, environment = started()
    assert loaded == []
    assert not telemetry
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


IMPORTED = """
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    import MODULE
    from prefect._internal.analytics.enabled import is_telemetry_enabled
    print("telemetry is", is_telemetry_enabled(), flush=True)
    os._exit(0)
said = b""
try:
    while part := os.read(terminal, 4096):
        said += part
except OSError:  # its end
    pass
sys.stdout.buffer.write(said)
"""


@pytest.mark.parametrize("module", ["lusgan_flows.pipeline", "lusgan_ops.watch"])
def test_flows_in_a_program_of_ones_own_send_nothing(module: str, tmp_path: Path) -> None:
    """Where flows are imported without the command, as a worker's script may, telemetry is off
    before Prefect is loaded, and a terminal gets no notice of it."""
    own = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "CI", "PREFECT_API_URL")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.replace("MODULE", module)],
        env=kept | {"PREFECT_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split("\n")[0].strip() == "telemetry is False", done.stdout + done.stderr


def test_who_wants_it_may_have_it() -> None:
    """A choice of the user's own is kept."""
    _, telemetry, _ = started(DO_NOT_TRACK="0")
    assert telemetry
