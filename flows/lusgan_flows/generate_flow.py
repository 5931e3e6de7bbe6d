"""The flow ``generate``: synthetic frames from a finished model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from lusgan_core.calls.runtime import Runtime
from lusgan_core.generation import stage
from lusgan_core.networks.device import pick_device
from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.sampling import choose_model, remark, sample
from lusgan_core.registry import installed
from lusgan_core.reporting.pictures import Pictures
from lusgan_core.store import check_writable, open_store
from lusgan_flows.artifacts import SIDE, show_section
from lusgan_flows.board import board
from lusgan_flows.tasks import Place, PrefectRunner


def named(asked: Mapping[str, Any]) -> str:
    """Make the name of a run from what it was asked for; a run that fails keeps it."""
    which = f"of {asked['model']}" if asked["model"] else f"of score {asked['score']}"
    return f"generate {asked['number']} {which}"


@flow(
    name="generate",
    flow_run_name=lambda: named(flow_run.parameters),
    description="Synthetic frames from a model: the current one of a score, or one that is named",
    persist_result=False,
)
def generate(
    store: parameters.Store,
    score: parameters.OptionalScore = None,
    model: str = "",
    number: parameters.Number = 100,
    seed: parameters.Seed = 7,
    formats: parameters.Formats = ("png",),
    format_options: parameters.FormatOptions = {},  # noqa: B006  # nobody writes to it
    device: str = "auto",
) -> str:
    """Generate frames from a model; no exam is read and nothing is trained.

    Args:
        store: Where the models are, and frames go: a folder, or s3://BUCKET/PREFIX.
        score: Severity score whose current model is taken; empty if the model is named.
        model: Another model, by its name or the last digits of it. Empty: the current one.
        number: Number of frames.
        seed: Seed of the noise that they are made from.
        formats: Exporters beside the HDF5 file that is always written.
        format_options: Options of these exporters, where they are not the defaults.
        device: cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.

    Returns:
        Key of the HDF5 file of frames in the store.
    """
    check_endpoints(store)
    kept, registry = open_store(store), installed()
    pick_device(device)
    check_writable(kept)
    options = stage.GenerationOptions(
        count=number, seed=seed, formats=formats, format_options=format_options
    )
    with board() as shown:
        chosen = choose_model(kept, score, model)
        log = get_run_logger()
        (log.warning if chosen.held_back else log.info)("%s", remark(chosen))
        shown.name(f"generate {number} of score {chosen.score}", f"score-{chosen.score}")
        runner = PrefectRunner(Place(store=store, runtime=Runtime(device=device)))
        made = sample(runner, kept, chosen, options, registry)
        section = stage.section(made, real=())
        show_section(shown, chosen.score, section, Pictures(kept, SIDE))
    return made.artifacts["frames"].key
