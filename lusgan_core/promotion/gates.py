"""Asks the gates that a model has to pass before it becomes the current one of its score.

A gate looks at a candidate (and at the current model, if there is one) and says yes or no, why, and
by which values. All gates are asked, so that a model that fails two is told of both. A gate passes
what it cannot measure, and says so: a store without held-out patients still gets models.

Gates are plugins. One that raises, or returns no verdict, holds the model back if the options name
it; if they do not, it is listed as absent, with its reason, and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lusgan_core.errors import PluginError
from lusgan_core.judgement import Candidate, Verdict
from lusgan_core.plugin_guard import attempt
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.registry import Registry


@dataclass
class Judgement:
    """What the gates said."""

    verdicts: list[Verdict] = field(default_factory=list)
    """One of each gate that answered, in the order in which they were asked."""
    absent: dict[str, str] = field(default_factory=dict)
    """Name of a gate that was not asked, or gave no answer -> why."""


def asked_gates(options: PromotionOptions, registry: Registry) -> tuple[str, ...]:
    """Name the gates that are asked.

    Args:
        options: Options, which may name gates.
        registry: Installed plugins.

    Returns:
        The gates that the options name; every installed one where they name none.
    """
    return tuple(options.gates or registry.gates())


def judge(
    candidate: Candidate, current: Candidate | None, options: PromotionOptions, registry: Registry
) -> Judgement:
    """Ask every gate; a model passes if all verdicts do.

    Args:
        candidate: The model to judge.
        current: The current model of its score; None if there is none or it was never evaluated.
        options: The gates and their options.
        registry: Installed plugins.

    Returns:
        A verdict of each gate that answered, and why the others did not.

    Raises:
        UnknownPluginError: A gate that the options name is not installed.
    """
    found = Judgement()
    for name in asked_gates(options, registry):
        try:
            found.verdicts.append(_verdict(name, candidate, current, options, registry))
        except PluginError as error:
            if name in options.gates:
                failed = Verdict(gate=name, passed=False, measured=False, reason=str(error))
                found.verdicts.append(failed)
            else:
                found.absent[name] = str(error)
    for name in registry.gates():
        if options.gates and name not in options.gates:
            found.absent[name] = "promotion.gates names others"
    return found


def _verdict(
    name: str,
    candidate: Candidate,
    current: Candidate | None,
    options: PromotionOptions,
    registry: Registry,
) -> Verdict:
    """Ask one gate; whatever goes wrong in it becomes a PluginError that names it."""
    gate = registry.gate(name)
    provider = registry.provider_of(f"gate/{name}").strip() or "this process"

    def ask() -> Any:
        chosen = gate.options.model_validate(options.gates.get(name, {}))
        return gate.check(candidate, current, chosen)

    verdict = attempt(f"the gate {name} ({provider}) failed", ask)
    if not isinstance(verdict, Verdict):
        raise PluginError(
            f"the gate {name} ({provider}) returned {type(verdict).__name__}, expected a Verdict"
        )
    return verdict.model_copy(update={"gate": name})
