"""``lusgan audit``: are a model's frames copies of training frames, and would that be found?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, progress_shown, visible

if TYPE_CHECKING:
    from lusgan_core.evaluation.audit.record import AuditRecord
    from lusgan_core.pipeline.audits import ModelAudit

SUSPECTS = 5
"""Flagged frames that are shown."""


def audit(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Model, by its name or the last digits of it; the current ones unless given",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        int | None, typer.Option(help="Severity score, 0 to 3; all unless given")
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Audit again, with more planted copies; keeps no result"),
    ] = False,
    copies: Annotated[
        int, typer.Option(min=10, help="Planted copies a kind, for `--self-test`")
    ] = 200,
    device: Annotated[str, typer.Option(help="`cpu`, `cuda`, or `auto`")] = "auto",
    json: options.Json = False,
) -> None:
    """Show whether a model's frames are copies of training frames, and what would be found.

    Copies of training frames are planted, changed in nine ways; the table says how many of each
    are found. That none was found says no more than that.
    """
    from lusgan_core.calls.call import StageContext
    from lusgan_core.calls.runtime import Runtime
    from lusgan_core.pipeline.audits import evaluations, model_audit
    from lusgan_core.pipeline.audits import self_test as test
    from lusgan_core.store import existing_store

    context = StageContext(existing_store(store), runtime=Runtime(device=device))
    made = evaluations(context.store, score, model)
    with progress_shown():
        found = [test(context, m, copies) if self_test else model_audit(m) for m in made]
    if json:
        patients = {"audit": {"suspects": {"__all__": {"real"}}}}
        print_json([one.model_dump(mode="json", exclude=patients) for one in found])
        return
    for one in found:
        _show(one)


def _show(found: ModelAudit) -> None:
    from lusgan_core.evaluation.audit.section import calibration, verdict

    out.print(f"[bold]score {found.score}[/]: {visible(found.model)}", soft_wrap=True)
    if found.audit is None:
        out.print(f"[yellow]no audit:[/] {visible(found.absent)}", soft_wrap=True)
        return
    style = "red" if found.audit.copies_found else "green"
    out.print(f"[{style}]{visible(verdict(found.audit))}[/]", soft_wrap=True)
    out.print(visible(calibration(found.audit)), soft_wrap=True)
    _show_table(found.audit)
    for suspect in found.audit.suspects[:SUSPECTS]:
        beside = suspect.beside(found.audit.limits[-1])
        out.print(f"flagged: frame {suspect.synthetic}, at {beside:.2f} of the limit")


def _show_table(audit: AuditRecord) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"{audit.planted[0].number} planted copies each", no_wrap=True)
    for limit in audit.limits:
        table.add_column(f"at {limit.rate:.0%}", justify="right", no_wrap=True)
    table.add_column("95%", justify="right", no_wrap=True)
    for share in audit.shares:
        table.add_column(f"{100 * share:g}%", justify="right", no_wrap=True)
    for kind in audit.planted:
        table.add_row(
            visible(kind.kind),
            *(f"{hits / kind.number:.0%}" for hits in kind.found),
            f"{100 * kind.interval[0]:.0f}-{kind.interval[1]:.0%}",
            *(f"{chance:.0%}" for chance in kind.power),
        )
    out.print(table)
    out.print(
        "Shares found at each rate of false alarms; chances of noticing that so much of a set is "
        "such copies.",
        soft_wrap=True,
    )
