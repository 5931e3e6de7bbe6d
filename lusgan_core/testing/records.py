"""Tests of every record: a name, a description, options fit for a form, code that can be found.

Options are shown in the CLI and in the Prefect UI's forms, names become parts of file names, and
the source of a plugin is part of the cache key of what it computed.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Collection
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lusgan_core.api import Options
from lusgan_core.record_checks import NAME
from lusgan_core.testing.variations import unread


class RecordContract:
    """Tests that hold for a record of any kind; the suites of each kind inherit them."""

    record: Any
    idle_options: frozenset[str] = frozenset()
    """Options that change no result on purpose, such as the number of frames computed at once."""

    def check_options(
        self, result: Callable[[Any], Any], what: str, idle: Collection[str] = ()
    ) -> None:
        """Check that every switch, choice and number among the options changes something.

        Args:
            result: What comes of some options, to be compared by ``==``.
            what: What it is, e.g. ``loss``.
            idle: Options that are not tried, beside ``idle_options``.

        Raises:
            AssertionError: An option changes nothing, and is not among ``idle_options``.
        """
        options_type = self.options_type()
        left = {*self.idle_options, *idle}
        for name in unread(options_type, result, left) if options_type else ():
            raise AssertionError(
                f"{self.record.name}: option {name} changes no {what}: is it read? If it shall not "
                "change any, name it in idle_options"
            )

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return the functions that the record offers, by field."""
        raise NotImplementedError

    def options_type(self) -> type[Options] | None:
        """Return the record's options model, or None for kinds without."""
        return getattr(self.record, "options", None)

    def test_name_and_description_can_be_shown(self) -> None:
        """The name fits in a file name; the description is one line of plain words."""
        name, description = self.record.name, self.record.description
        assert NAME.fullmatch(name), f"name {name!r}: expected letters, digits and underscores"
        assert description.strip(), f"{name}: the description is empty"
        assert "\n" not in description, f"{name}: the description has more than one line"
        assert len(description) <= 100, f"{name}: the description has more than 100 characters"

    def test_options_are_frozen_described_and_bounded(self) -> None:
        """A form can be made of the options: defaults, descriptions, bounds on every number."""
        options_type = self.options_type()
        if options_type is None:
            return
        name = options_type.__name__
        assert issubclass(options_type, Options), f"{name} does not derive from api.Options"
        try:
            options = options_type()
        except ValidationError as error:
            raise AssertionError(f"{name}: every option needs a default: {error}") from error
        config = options_type.model_config
        assert config.get("frozen"), f"{name} is not frozen"
        assert config.get("extra") == "forbid", f"{name} takes options that it does not know"
        assert options_type(**options.model_dump()) == options, f"{name} does not survive JSON"
        for field_name, field in options_type.model_fields.items():
            where = f"{name}.{field_name}"
            assert field.description, f"{where} has no description"
            numbers = {int, float} & {field.annotation, *typing.get_args(field.annotation)}
            assert not numbers or _is_bounded(field), f"{where} is a number without bounds"

    def test_code_can_be_fingerprinted(self) -> None:
        """The source of each function can be found: it is part of the cache key."""
        for field, function in self.functions().items():
            where = f"{self.record.name}.{field}"
            assert inspect.isroutine(function) or inspect.isclass(function), (
                f"{where} is a {type(function).__name__}: give a function or class of your module"
            )
            try:
                inspect.getsource(sys.modules[function.__module__])
            except (OSError, TypeError) as error:
                raise AssertionError(f"{where}: {function.__module__} has no source") from error


def _is_bounded(field: FieldInfo) -> bool:
    """Whether a number's field has at least one bound."""
    return any(
        getattr(rule, bound, None) is not None
        for rule in field.metadata
        for bound in ("ge", "gt", "le", "lt")
    )
