"""The flow ``training``: trains one score where a pipeline sends it, such as a pool with GPUs."""

from __future__ import annotations

from prefect import flow

from lusgan_core.calls.call import StageCall, StageContext
from lusgan_core.calls.runtime import Runtime
from lusgan_core.networks.device import pick_device
from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.runner import check_here, check_training, run_stage
from lusgan_core.store import open_store
from lusgan_flows.board import board


@flow(name="training", flow_run_name="{call.label}", persist_result=False)
def training(call: StageCall, store: parameters.Store, runtime: Runtime, device: str = "") -> None:
    """Train one score as a pipeline asks; the model goes into the store, where it looks for it.

    Args:
        call: What to train, on which frames of the store, with which options.
        store: Where frames come from and the model goes: a folder, or s3://BUCKET/PREFIX.
        runtime: How to run: device, threads, time between checkpoints.
        device: The device of this deployment's workers, whatever `runtime` says: with "cuda", one
            without a GPU fails rather than train on its CPU.
    """
    check_endpoints(store)
    if device:
        runtime = runtime.model_copy(update={"device": device})
    pick_device(runtime.device)
    context = StageContext(open_store(store), runtime=runtime)
    check_here(call, context.registry)
    check_training(call, context)
    with board():  # shows how far it is
        run_stage(call, context)
