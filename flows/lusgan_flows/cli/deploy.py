"""``lusgan deploy`` and ``lusgan work``: runs on other machines, in containers and on clusters."""

from __future__ import annotations

import json as js
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_core.errors import ConfigError
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_flows.cli import options
from lusgan_flows.cli.console import err, out, visible
from lusgan_flows.sources import absolute

if TYPE_CHECKING:
    from lusgan_flows.pools import Kind

Type = Annotated[
    str, typer.Option("--type", help="What a run becomes: `process`, `docker` or `kubernetes`")
]
Gpu = Annotated[bool, typer.Option("--gpu", help="Trainings must have a GPU")]
Image = Annotated[
    str, typer.Option(help="Image of runs in containers; lusgan:gpu or lusgan:cpu by default",
                      envvar="LUSGAN_IMAGE", show_default=False)
]  # fmt: skip
Job = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A variable of the pool, e.g. `network_mode=host` or `gpus=2`; may be repeated",
    ),
]


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
    job: Job = None,
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
    notify: options.Notify = None,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
) -> None:
    """Tell the Prefect server at PREFECT_API_URL of work pools and deployments.

    The same command again brings them up to date; it undoes what was changed of them in the UI.
    """
    from lusgan_flows.deploy import deploy as tell
    from lusgan_flows.up.home import UpSettings

    chosen = options.chosen(preset, config, set_, scores)
    settings = UpSettings(
        exams=absolute(exams),
        store=absolute(store),
        preset=preset,
        config=chosen.model_dump(mode="json"),
        every_s=every,
        settle_s=settle,
        notify=tuple(notify or ()),
    )
    where = _kind(kind)
    for name, pool in tell(settings, where, gpu, image, parse_job(job), trainings):
        out.print(f"{name}: in {pool}")
    more = f" --type {where}" if where != "process" else ""
    more += " --gpu" if gpu else ""
    err.print(f"workers take these runs: lusgan work{more}")


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
    check: Annotated[bool, typer.Option("--check", help="Look, and start nothing")] = False,
) -> None:
    """Run a worker of the Prefect server at PREFECT_API_URL.

    Looks first at what its runs will need, and says what is missing: the server, a Docker engine,
    a cluster, a GPU, credentials of the storage. Makes its work pool if there is none.
    """
    from lusgan_flows.work import become_worker, ensure_pool, examined, trainings_at_once

    where, variables = _kind(kind), parse_job(job)
    for what, found in examined(where, gpu, store, exams):
        err.print(f"[green]well[/] {what}: {visible(found)}")
    if check:
        return
    pool = ensure_pool(where, gpu, image, variables)
    err.print(f"working for {pool}")
    become_worker(pool, where, limit or trainings_at_once(where, gpu), health)


def _kind(text: str) -> Kind:
    from lusgan_flows.pools import Kind

    try:
        return Kind(text)
    except ValueError:
        raise ConfigError(f"--type {text!r}: choices: {', '.join(Kind)}") from None


def parse_job(settings: list[str] | None) -> dict[str, Any]:
    """``NAME=VALUE`` settings as values: JSON where it is, text elsewhere. Raises ConfigError."""
    found: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--job {setting!r}: expected NAME=VALUE, e.g. network_mode=host")
        try:
            found[name.strip()] = js.loads(text)
        except ValueError:
            found[name.strip()] = text
    return found
