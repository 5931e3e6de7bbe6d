"""What can go wrong, by kind. Every message says what, where, what was expected and what to do.

Each error has a standard base class beside ``LusganError``, so that code which does not know lusgan
can catch it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LusganError(Exception):
    """Base of every error that lusgan raises on purpose; its text is fit to show to a user."""


class ConfigError(LusganError, ValueError):
    """An option, preset, score or file of options that cannot be used; the command exits with 2."""


class UnknownNameError(ConfigError, LookupError):
    """A name that nothing answers to; the message lists the choices and the nearest spelling."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.choices = kind, name, sorted(choices)
        near = get_close_matches(name, self.choices, n=1)
        text = f"unknown {kind} {name!r}"
        text += f"; did you mean {near[0]!r}?" if near else ";"
        text += f" choices: {', '.join(self.choices) or 'none'}"
        super().__init__(f"{text}. {hint}" if hint else text)


class UnknownPluginError(UnknownNameError):
    """A plugin of that kind and name is not installed."""


class PluginError(LusganError, RuntimeError):
    """A plugin that breaks the contract: a name clash, an unknown hook, a wrong API version."""


class MissingError(LusganError, RuntimeError):
    """Something that a run or a worker needs is not there: a GPU, a server, a package."""


class ExamError(LusganError, ValueError):
    """An exam source that cannot be used at all: it is missing, unreadable or holds no exam."""


class UnreadableError(ExamError):
    """Some files of an exam source cannot be read, as a disk with bad sectors has them.

    Args:
        text: The message, which names no patient.
        reason: What the system said.
        keys: Their keys in the source; empty where who raises it does not know them.
    """

    def __init__(self, text: str, reason: str = "", keys: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.reason, self.keys = reason, frozenset(keys)

    def of(self, keys: Iterable[str]) -> UnreadableError:
        """The same error, of these files."""
        return UnreadableError(str(self), self.reason, keys)


class InputError(LusganError, ValueError):
    """Frames, labels or a file given to a function of the library that it cannot use."""


class ClipError(LusganError, ValueError):
    """One clip that cannot be used; the text is the reason shown to the user.

    It never names a patient: who shows it adds the file.
    """


class StoreError(LusganError, OSError):
    """The store cannot be read or written."""


class AlreadyExistsError(StoreError, FileExistsError):
    """A conditional write found the key taken: somebody else wrote it first."""


class MissingArtifactError(StoreError, FileNotFoundError):
    """A key that the store does not hold."""


class DamagedError(StoreError):
    """Something in the store is not what was written there; it was set aside.

    The text names it, with what was expected and what was found. The same command makes it again.
    """


class TooFewFramesError(LusganError, ValueError):
    """A score has fewer training frames than one batch needs."""


class TrainingError(LusganError, RuntimeError):
    """Training cannot go on: a value is NaN, or a checkpoint does not fit."""


class WeightsLostError(TrainingError):
    """A finished model's weights are damaged, and no whole checkpoint is left to rebuild them."""


class TrainingStopped(LusganError, RuntimeError):  # noqa: N818 - a stop is no error
    """Training was asked to stop and has left a checkpoint; the same command goes on from there."""


class LeaseError(LusganError, RuntimeError):
    """Another process is training this very model at the moment."""
