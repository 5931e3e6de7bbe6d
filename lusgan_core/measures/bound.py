"""Binds a metric to its options and its device, so that its functions take frames alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from lusgan_core.api import NoOptions, PairMetric, SetMetric

M = TypeVar("M", PairMetric, SetMetric)


def bound(metric: M, options: Mapping[str, Any] | None = None, device: str = "cpu") -> M:
    """Bind a metric to options and a device.

    Args:
        metric: The metric; one that takes neither is returned as it is, and so is a bound one.
        options: Values of its options model; what is not named keeps its default.
        device: A device of torch, for metrics that ask for it.

    Returns:
        The same metric, whose functions take frames or features alone.

    Raises:
        ValidationError: The options model refuses a value.
    """
    if metric.options is NoOptions and not metric.uses_device:
        return metric
    last: tuple[Any, ...] = ()
    if metric.options is not NoOptions:
        last = (metric.options.model_validate(options or {}),)
    named = {"device": device} if metric.uses_device else {}

    def complete(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(*given: Any) -> Any:
            return function(*given, *last, **named)

        return called

    changes: dict[str, Any] = {"value": complete(metric.value)}
    if isinstance(metric, PairMetric):
        changes["kernel"] = None  # a kernel knows neither
        for name, function in (("prepare", metric.prepare), ("compare", metric.compare)):
            changes[name] = complete(function) if function is not None else None
    return replace(metric, **changes, options=NoOptions, uses_device=False)
