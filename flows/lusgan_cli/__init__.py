"""The command line: a module for each command.

Exit codes: 0 done; 1 the work failed, the reason on the last line of stderr; 2 bad usage or
configuration; 130 stopped by Ctrl-C, a checkpoint is left.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

COMMANDS = {
    "demo": "Make phantom exams, train all four scores on the CPU, and print the report's path.",
    "phantom": "Write phantom exams with severity scores 0 to 3, as a hospital would hand them "
    "over.",
    "check": "Show a table of all exams, totals for each score, and the clips that cannot be used.",
    "run": "Take exams all the way: ingest, preprocess, train, generate, evaluate, report.",
    "train": "Train one score, with what it needs before; prints the model's folder.",
    "generate": "Generate frames from a model: the current one of a score, or one that is named.",
    "export": "Write a data set for training classifiers: PNG, .mat, HDF5, parquet or DICOM.",
    "balance": "Make the synthetic frames that a training set lacks, and export them.",
    "evaluate": "Compare one score's synthetic frames with real ones, with what that needs before.",
    "pairs": "Compare every image of A with every image of B, by every metric.",
    "distance": "Measure how far the images of B are from those of A: KID, FID, precision, "
    "recall ...",
    "audit": "Show whether a model's frames are copies of training frames, and what would be "
    "found.",
    "useful": "Find out whether synthetic frames help a classifier of severity on patients it has "
    "not seen.",
    "encoder": "Show the LUS encoder that a store measures with, and how well it judges held-out "
    "patients.",
    "models": "List the models of a store: trained on how much, promoted, held back or withdrawn.",
    "compare": "Put runs side by side: options that differ, samples, and values with their floors.",
    "promote": "Make a model the current one of its score, whatever the gates say.",
    "reject": "Note that a held-back model is not to be used: it waits no more, and gates do not "
    "promote it.",
    "rollback": "Go back to the model that was current before.",
    "history": "Show who made which model current, or withdrew an exam, when, why and by which "
    "report.",
    "prune": "List what a store could do without: old models, and shards that nothing needs.",
    "verify": "Check a whole store: is everything what was written there?",
    "options": "List the options of a run: value in the preset, what it may be, what it does.",
    "plugins": "List installed plugins of every kind, and broken ones; `plugins new` starts one.",
    "up": "Run Prefect's server, a worker, and what retrains by itself when exams arrive.",
    "status": "Show what `lusgan up` is doing, what waits and why, and what needs a person.",
    "doctor": "Check server, worker, store, GPU, plugins and versions: what is wrong, and what to "
    "do.",
    "notify": "Say that an exam has arrived completely; a run starts without waiting for the next "
    "look.",
    "deploy": "Register work pools and deployments with the Prefect server at PREFECT_API_URL.",
    "work": "Run a worker of the Prefect server at PREFECT_API_URL.",
}
"""Every command with the first line of its help, so that ``--help`` need not load any of them."""
MODULES = {"rollback": "promote", "reject": "promote", "options": "option_list"}
"""Commands whose module has another name."""


class _Command(TyperCommand):
    """A command whose module is loaded when it is called."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Load the command's module and pass the arguments on to it."""
        return load(str(self.name)).make_context(info_name, args, parent, **extra)


class _Loaded(TyperCommand):
    """A command whose help lists the presets that are installed."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Complete the help of ``--preset``, and show all of it."""
        from lusgan_core.registry import installed

        for option in self.params:
            if option.name == "preset" and isinstance(option, TyperOption):
                presets = installed().presets().values()
                listed = "; ".join(f"`{preset.name}`: {preset.description}" for preset in presets)
                option.help = f"{(option.help or '').partition('.')[0]}. {listed}"
        super().format_help(ctx, formatter)


class _Commands(TyperGroup):
    """All commands, in the order in which they are listed; none is loaded yet."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: _Command(name, help=text, rich_markup_mode="markdown", callback=lambda: None)
            for name, text in COMMANDS.items()
        }


def load(name: str) -> Any:
    """The command of that name, with its options."""
    command = getattr(import_module(f"lusgan_cli.{MODULES.get(name, name)}"), name)
    if isinstance(command, typer.Typer):  # a command with commands of its own
        return typer.main.get_command(command)
    app = typer.Typer(
        add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
    )
    app.command(name, cls=_Loaded)(command)
    return typer.main.get_command(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lusgan {metadata.version('lusgan')}")
        raise typer.Exit


app = typer.Typer(
    name="lusgan",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Lung-ultrasound exams in; balanced, checked synthetic frames out: "
    "one GAN per severity score.",
    epilog="Start with `lusgan demo`, then `lusgan check EXAMS` and `lusgan run --exams EXAMS`.",
)


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_version, help="Show the version and exit."
    ),
    no_plugins: bool = typer.Option(
        False,
        "--no-plugins",
        help="Load built-in plugins alone; LUSGAN_PLUGINS=NAME,NAME loads those that it names.",
    ),
) -> None:
    if no_plugins:
        from lusgan_core.plugin_points import PLUGINS

        os.environ[PLUGINS] = ""  # processes that are started inherit it


def main() -> None:
    """Run a command; every expected error becomes one line and an exit code."""
    from lusgan_core.errors import (
        ConfigError,
        ExamError,
        LusganError,
        StoreError,
        TrainingStopped,
    )

    try:
        app()
    except TrainingStopped as stop:
        _fail(str(stop), 130)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except (ConfigError, ExamError, StoreError) as error:
        _fail(str(error), 2)
    except LusganError as error:
        if os.environ.get("LUSGAN_TRACEBACK"):
            raise
        _fail(str(error), 1)
    except Exception as error:
        if os.environ.get("LUSGAN_TRACEBACK"):
            raise
        # its text may hold a path, and with it a patient
        _fail(
            f"unexpected {type(error).__name__}: set LUSGAN_TRACEBACK=1 and run the same command "
            "again to see where; what is finished is kept",
            1,
        )


def _fail(text: str, code: int) -> None:
    from lusgan_cli.console import err, visible

    err.print(f"[bold red]lusgan:[/] {visible(text)}")
    sys.exit(code)
