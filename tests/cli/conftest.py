from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lusgan_cli import main


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of stderr."""
        return self.err.rstrip("\n").rpartition("\n")[2]


Lusgan = Callable[..., Said]


@pytest.fixture
def lusgan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lusgan:
    """Return a function that runs a command as the installed script does, in this process."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["lusgan", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else int(bool(done.code))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err)

    return run
