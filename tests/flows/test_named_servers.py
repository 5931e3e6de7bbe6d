"""No flow lets a run send signed requests to a server that the run names."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import pytest
from prefect import Flow

import lusgan_flows
import lusgan_ops.watch
from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.endpoints import ENDPOINTS, OF_RUN, OF_WORKER

EVIL = "s3://exams?endpoint=http://evil.example:9000"
ADDRESSES = ("exams", "store")
"""Parameters of flows that hold an address."""


def flows() -> dict[str, Flow[..., Any]]:
    """Every flow that a deployment may run, by name."""
    names = [name for _, name, _ in pkgutil.walk_packages(lusgan_flows.__path__, "lusgan_flows.")]
    modules = [import_module(name) for name in names] + [lusgan_ops.watch]
    found = [value for module in modules for value in vars(module).values()]
    return {flow.name: flow for flow in found if isinstance(flow, Flow)}


@pytest.mark.parametrize("name", sorted(flows()))
def test_a_flow_asks_no_server_that_its_run_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses before it looks at anything else, whichever of its addresses names the server."""
    for variable in (ENDPOINTS, *OF_WORKER):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(OF_RUN, "a run")
    flow = flows()[name]
    parameters = inspect.signature(flow.fn).parameters
    required = {n: None for n, p in parameters.items() if p.default is inspect.Parameter.empty}
    taken = [address for address in ADDRESSES if address in parameters]
    assert taken
    for address in taken:
        with pytest.raises(ConfigError, match="not set up for"):
            flow.fn(**required | dict.fromkeys(taken, "/exams") | {address: EVIL})
