"""``lusgan deploy``: registers deployments for other machines, containers and clusters."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out
from lusgan_cli.pools import Gpu, Image, JobVariables, Type, parse_job, pool_kind
from lusgan_core.presets import DEFAULT_PRESET


def deploy(
    exams: Annotated[
        str, typer.Option(help="Folder of exams or s3://BUCKET/PREFIX", envvar="LUSGAN_EXAMS")
    ],
    store: Annotated[
        str, typer.Option(help="Folder for artifacts or s3://BUCKET/PREFIX", envvar="LUSGAN_STORE")
    ],
    kind: Type = "process",
    gpu: Gpu = False,
    image: Image = "",
    job: JobVariables = None,
    trainings: Annotated[
        int | None,
        typer.Option(
            help="Trainings at a time over all workers, e.g. the number of GPUs; with --gpu",
            min=1,
            show_default="no limit",
        ),
    ] = None,
    every: options.Every = 120,
    settle: options.Settle = 60,
    nightly: options.Nightly = 2,
    timezone: options.TimeZone = "Etc/UTC",
    notify: options.Notify = None,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
) -> None:
    """Register work pools and deployments with the Prefect server at PREFECT_API_URL.

    The same command again brings them up to date; it undoes what was changed of them in the UI.
    """
    from lusgan_core.store import absolute_address
    from lusgan_ops.deploy import deploy as register
    from lusgan_ops.up.home import UpSettings

    chosen = options.chosen(preset, config, set_, scores)
    settings = UpSettings(
        exams=absolute_address(exams),
        store=absolute_address(store),
        preset=preset,
        config=chosen.model_dump(mode="json"),
        every_s=every,
        settle_s=settle,
        nightly=nightly,
        timezone=timezone,
        notify=tuple(notify or ()),
    )
    where = pool_kind(kind)
    for name, pool in register(settings, where, gpu, image, parse_job(job), trainings):
        out.print(f"{name}: in {pool}")
    more = f" --type {where}" if where != "process" else ""
    more += " --gpu" if gpu else ""
    err.print(f"workers take these runs: lusgan work{more}")
