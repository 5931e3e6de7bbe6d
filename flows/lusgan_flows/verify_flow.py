"""The flow ``verify``: checks a store, or a share of it each night; damage is set aside."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.verify import tonight
from lusgan_core.pipeline.verify import verify as look
from lusgan_core.store import open_store
from lusgan_flows.board import board

Share = Annotated[float, Field(gt=0, le=1)]


@flow(
    name="verify",
    flow_run_name="verify",
    description="Checks that a store holds what was written there",
    persist_result=False,
)
def verify(store: parameters.Store, share: Share = 1.0, repair: bool = True) -> int:
    """Read artifacts and compare them with their digests.

    Args:
        store: Where artifacts are: a folder, or s3://BUCKET/PREFIX.
        share: Share of the objects to read; which ones is another question each day, so that 0.1
            reads all of them in ten days.
        repair: Set aside what is damaged, so that the next run makes it again, and rebuild weights
            from checkpoints.

    Returns:
        Number of damaged objects.
    """
    check_endpoints(store)
    with board() as shown:
        part = tonight(share)
        found = look(open_store(store), repair=repair, share=share, part=part)
        log = get_run_logger()
        for one in found.damages:
            log.warning(
                "%s: expected %s, found %s; %s", one.name, one.expected, one.found, one.then
            )
        said = f"{len(found.damages)} damaged" if found.damages else "all well"
        shown.name(f"verify {found.objects:,} objects: {said}")
        log.info("%d objects, %.1f MB read: %s", found.objects, found.size / 1e6, said)
    return len(found.damages)
