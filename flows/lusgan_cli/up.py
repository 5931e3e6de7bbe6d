"""``lusgan up``: the local stack."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, visible
from lusgan_cli.stack import DEFAULT_HOME, HomeFolder
from lusgan_core.errors import ConfigError
from lusgan_core.presets import DEFAULT_PRESET


def up(
    exams: Annotated[
        str | None, typer.Option(help="Folder of exams or s3://BUCKET/PREFIX", show_default=False)
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Folder for artifacts or s3://BUCKET/PREFIX; HOME/store by default"),
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    port: Annotated[
        int, typer.Option(help="Port of the UI; the next one serves reports", min=1024, max=50000)
    ] = 4200,
    s3: Annotated[
        bool,
        typer.Option("--s3", help="Run SeaweedFS too; exams in s3://exams, store s3://artifacts"),
    ] = False,
    database: Annotated[
        str, typer.Option(help="PostgreSQL for the server: postgresql+asyncpg://USER@HOST/NAME")
    ] = "",
    every: options.Every = 120,
    settle: options.Settle = 60,
    debounce: Annotated[
        int, typer.Option(help="Seconds without news after which a run starts", min=10)
    ] = 15,
    trainers: Annotated[
        int,
        typer.Option(
            help="Workers that train one score each at a time, each on a GPU of its own; 0: the "
            "pipeline trains one after the other",
            min=0,
            max=64,
        ),
    ] = 0,
    nightly: options.Nightly = 2,
    timezone: options.TimeZone = "Etc/UTC",
    keep_runs: Annotated[
        int, typer.Option(help="Days after which the server deletes runs that have ended", min=1)
    ] = 30,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Start a run at once: options that changed otherwise apply from the next exam on",
        ),
    ] = False,
    notify: options.Notify = None,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
) -> None:
    """Run Prefect's server, a worker, and what retrains by itself when exams arrive.

    Prints the UI's address. Ctrl-C stops all of it (a training leaves a checkpoint first); the same
    command finds everything as it was.
    """
    from lusgan_core.store import absolute_address
    from lusgan_ops.up.home import Home, UpSettings
    from lusgan_ops.up.login import login_file
    from lusgan_ops.up.stack import run_stack

    if exams is None and not s3:
        raise ConfigError("--exams is missing: name the folder or s3://BUCKET/PREFIX of the exams")
    place = Home(home)
    chosen = options.chosen(preset, config, set_, scores)
    settings = UpSettings(
        exams=absolute_address(exams or "s3://exams"),
        store=absolute_address(store or ("s3://artifacts" if s3 else str(place.path / "store"))),
        preset=preset,
        config=chosen.model_dump(mode="json"),
        port=port,
        database=database,
        s3=s3,
        every_s=every,
        settle_s=settle,
        debounce_s=debounce,
        trainers=trainers,
        notify=tuple(notify or ()),
        nightly=nightly,
        timezone=timezone,
        keep_days=keep_runs,
    )

    def ready() -> None:
        out.print(f"UI: {settings.ui}")
        err.print(
            f"sign in with the line in {visible(str(login_file(place)))}, NAME:PASSWORD: the UI "
            "asks for the whole of it, and a report for name and password"
        )
        err.print(f"exams: {visible(settings.exams)}")
        err.print(f"store: {visible(settings.store)}")
        err.print(f"logs: {visible(str(place.path / 'logs'))}; Ctrl-C stops everything")

    run_stack(place, settings, lambda text: err.print(visible(text)), ready, retrain=retrain)
