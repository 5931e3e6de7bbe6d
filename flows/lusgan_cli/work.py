"""``lusgan work``: a worker whose runs are processes, containers or jobs of a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli.console import err, visible
from lusgan_cli.pools import Gpu, Image, Job, Type, parse_job, pool_kind


def work(
    kind: Type = "process",
    gpu: Gpu = False,
    image: Image = "",
    job: Job = None,
    exams: Annotated[
        str, typer.Option(help="Exams that must be readable", envvar="LUSGAN_EXAMS")
    ] = "",
    store: Annotated[
        str, typer.Option(help="Store that must be writable", envvar="LUSGAN_STORE")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            help="Runs at a time; with --gpu one a GPU (docker: one). A cluster has limits of its "
            "own: `lusgan deploy --trainings`",
            min=1,
            show_default=False,
        ),
    ] = None,
    health: Annotated[
        bool, typer.Option("--health", help="Answer at :8080/health (PREFECT_WORKER_WEBSERVER_*)")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check, and start nothing")] = False,
) -> None:
    """Run a worker of the Prefect server at PREFECT_API_URL.

    Checks first what its runs will need, and says what is missing: the server, a Docker engine,
    a cluster, a GPU, credentials of the storage. Makes its work pool if there is none.
    """
    from lusgan_ops.work import become_worker, ensure_pool, trainings_at_once, worker_checks

    where, variables = pool_kind(kind), parse_job(job)
    for what, found in worker_checks(where, gpu, store, exams):
        err.print(f"[green]ok[/] {what}: {visible(found)}")
    if check:
        return
    pool = ensure_pool(where, gpu, image, variables)
    err.print(f"working for {pool}")
    become_worker(pool, where, limit or trainings_at_once(where, gpu), health)
