"""The flow ``useful``: do synthetic frames help a classifier of severity?"""

from __future__ import annotations

from prefect import flow
from prefect.logging import get_run_logger

from lusgan_core.calls.ledger import record_read
from lusgan_core.config import completed
from lusgan_core.networks.device import pick_device
from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.arrivals import find_settled
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.study import Study, peek_study, run_study
from lusgan_core.registry import installed
from lusgan_core.store import check_writable, open_store
from lusgan_core.store.source import open_source
from lusgan_core.training.sizes import check_sizes
from lusgan_core.usefulness import stage
from lusgan_flows.artifacts import show_tables
from lusgan_flows.board import board
from lusgan_flows.pipeline import THREADS
from lusgan_flows.tasks import Place, PrefectRunner


@flow(
    name="useful",
    flow_run_name="useful",
    description="Folds by patient: do synthetic frames help a classifier of severity?",
    task_runner=THREADS,
    validate_parameters=True,
    persist_result=False,
)
def useful(
    exams: parameters.Exams,
    store: parameters.Store,
    config: parameters.Config,
    preset: parameters.Preset = "paper",
    settle_s: parameters.Seconds = 0.0,
) -> Study:
    """Train GANs and classifiers in folds of patients, and compare them; what was done is kept.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage; those of the study are in the section `usefulness`.
        preset: Preset that the options started from.
        settle_s: Seconds without a change after which an exam counts as completely uploaded; one
            that is still arriving is left out. 0: take everything as it is.

    Returns:
        The study.
    """
    check_endpoints(exams, store)
    registry = installed()
    config = completed(config, registry, preset)
    pick_device(config.runtime.device)
    sizes = config.preprocessing
    check_sizes(config.training, sizes.image_size, sizes.channels, registry)
    kept = open_store(store)
    check_writable(kept)
    with board() as shown:
        _, found = find_settled(exams, store, settle_s, config.ingestion.readers)
        study = peek_study(kept, found, config, registry)
        if study is None:
            shown.name(f"study of {len(found.exams)} exams", "lusgan")
            record_read(kept, open_source(exams).uri, found.exams)
            runner = PrefectRunner(Place(store=store, exams=exams, runtime=config.runtime))
            study = run_study(runner, found, config, registry)
        record = study.record
        shown.name(f"useful: {record.verdict}")
        get_run_logger().info("%s", record.text)
        show_tables(shown, "useful", stage.section(record))
        shown.markdown("useful", record.text, "Do synthetic frames help a classifier?")
    return study
