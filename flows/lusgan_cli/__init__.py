"""The command line: a module a command.

Exit codes: 0 done; 1 the work failed, the reason on the last line of stderr; 2 bad usage or
configuration; 130 stopped by Ctrl-C, a checkpoint is left.
"""

from __future__ import annotations

import os
import sys

import typer

from lusgan_cli import (
    check,
    demo,
    deploy,
    doctor,
    evaluate,
    generate,
    models,
    notify,
    pairs,
    phantom,
    plugins,
    promote,
    prune,
    run,
    status,
    train,
    up,
    work,
)
from lusgan_cli.console import err, visible
from lusgan_core.errors import (
    ConfigError,
    ExamError,
    LusganError,
    StoreError,
    TrainingStopped,
)

app = typer.Typer(
    name="lusgan",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Lung-ultrasound exams in; balanced, checked synthetic frames out: "
    "one GAN per severity score.",
    epilog="Start with `lusgan demo`, then `lusgan check EXAMS` and `lusgan run --exams EXAMS`.",
)
app.command("demo")(demo.demo)
app.command("phantom")(phantom.phantom)
app.command("check")(check.check)
app.command("run")(run.run)
app.command("train")(train.train)
app.command("generate")(generate.generate)
app.command("evaluate")(evaluate.evaluate)
app.command("pairs")(pairs.pairs)
app.command("models")(models.models)
app.command("promote")(promote.promote)
app.command("rollback")(promote.rollback)
app.command("prune")(prune.prune)
app.command("plugins")(plugins.plugins)
app.command("up")(up.up)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("notify")(notify.notify)
app.command("deploy")(deploy.deploy)
app.command("work")(work.work)


def main() -> None:
    """Run a command; every expected error becomes one line and an exit code."""
    try:
        app()
    except TrainingStopped as stop:
        _fail(str(stop), 130)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except (ConfigError, ExamError, StoreError) as error:
        _fail(str(error), 2)
    except LusganError as error:
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
    err.print(f"[bold red]lusgan:[/] {visible(text)}")
    sys.exit(code)
