"""For all tests: one thread a process, so that sums are made in one order and cores stay free."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # libraries read it when they load, and processes of tests inherit it

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from campaigns import (  # noqa: E402, F401  # a plugin of pytest, with an option for its length
    campaign,
    pytest_addoption,
    pytest_cmdline_main,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    pytest_terminal_summary,
)
from lusgan_core.registry import Registry, installed  # noqa: E402
from speckle import speckle  # noqa: E402

torch.set_num_threads(1)

# A script's background process ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples are the same in every run, and take as long as a busy machine takes.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

EXAMPLE = Path(__file__).parent / "plugin_example"
IN_MEMORY = "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false"


@pytest.fixture(scope="session")
def plugins() -> Registry:
    """Return the plugins that are installed, built-in ones among them."""
    return installed()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run one Prefect server for all tests that run flows; the environment leads to it.

    Its database is in memory. Flows of this process find it by themselves; processes that tests
    start find it by the environment that is yielded. Prefect must not be imported before.
    """
    home = tmp_path_factory.mktemp("prefect")
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": IN_MEMORY,
    }
    os.environ.update(settings)
    os.environ.pop("PREFECT_API_URL", None)
    from lusgan_ops.prefect_environment import prepare_prefect, start_server

    prepare_prefect()
    start_server()
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    yield os.environ | {"PREFECT_API_URL": server.api_url}
    server.stop()


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `exams` and `lusgan-store`: a current model of each score; only read it.

    Of four phantom patients one is held out.
    """
    from exported_store import trained

    folder = tmp_path_factory.mktemp("trained")
    trained(folder)
    return folder


@pytest.fixture
def http_server() -> Iterator[Callable[..., str]]:
    """Yield a function that starts a server of answers by path; it returns the server's address.

    Given a ``password``, the server refuses whoever does not say it.
    """
    servers: list[ThreadingHTTPServer] = []

    def start(answers: Mapping[str, str], password: str = "") -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = f"Basic {b64encode(password.encode()).decode()}" if password else None
                code = 200 if self.path in answers else 404
                code = 401 if self.headers["Authorization"] != wanted else code
                body = answers.get(self.path, "").encode() if code == 200 else b"{}"
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def example_plugin_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example plugin's source, so that building leaves nothing behind."""
    source = tmp_path_factory.mktemp("example-source") / "lusgan-example"
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    shutil.copytree(EXAMPLE, source, ignore=ignored)
    return source


@pytest.fixture(scope="session")
def example_plugin_path(
    example_plugin_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Build and install the example plugin; put the folder returned on PYTHONPATH to have it."""
    wheels = tmp_path_factory.mktemp("example-wheel")
    target = tmp_path_factory.mktemp("example-site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    _run(
        *pip,
        "wheel",
        *offline,
        "--no-build-isolation",
        "-w",
        str(wheels),
        str(example_plugin_source),
    )
    (wheel,) = wheels.glob("*.whl")
    _run(*pip, "install", *offline, "--target", str(target), str(wheel))
    return target


def _run(*command: str) -> None:
    """Run a command; on failure show what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def small() -> np.ndarray:
    """Forty different grey frames of 32 x 40."""
    return speckle(40, 32, 40, 7)
