"""``lusgan doctor``: checks of the local stack, with what to do."""

from __future__ import annotations

import dataclasses

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible
from lusgan_cli.stack import DEFAULT_HOME, HomeFolder


def doctor(home: HomeFolder = DEFAULT_HOME, json: options.Json = False) -> None:
    """Check server, worker, store, GPU, plugins and versions: what is wrong, and what to do.

    Exit code 1 if anything is wrong. Changes nothing.
    """
    from lusgan_ops.preflight.stack import examine
    from lusgan_ops.up.home import Home

    findings = []
    for finding in examine(Home(home)):
        findings.append(finding)
        if not json:
            sign = "[green]ok   [/]" if finding.ok else "[bold red]wrong[/]"
            out.print(f"{sign} {finding.what}: {visible(finding.text)}")
    if json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
