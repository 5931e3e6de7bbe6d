"""The contract of a preset: settings that a run takes, as JSON, the same every time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from lusgan_core.api import Preset
from lusgan_core.config import RunConfig, resolve
from lusgan_core.errors import LusganError
from lusgan_core.registry import Provider, Registry, discover
from lusgan_core.testing.records import RecordContract


class PresetContract(RecordContract):
    """The tests of a preset. Set ``record``; its bases and plugins must be installed."""

    record: Preset

    def functions(self) -> dict[str, Callable[..., Any]]:
        """A preset has none."""
        return {}

    def registry(self) -> Registry:
        """What is installed, and this preset."""
        found = discover()
        found.records["preset"][self.record.name] = self.record
        found.providers.setdefault(("preset", self.record.name), Provider("the preset's tests"))
        return found

    def resolved(self) -> RunConfig:
        """The options of a run that starts from the preset."""
        try:
            return resolve(self.record.name, self.registry())
        except LusganError as error:
            raise AssertionError(str(error)) from error

    def test_settings_are_options_of_a_run(self) -> None:
        """Every setting exists, and all of them go together."""
        self.resolved()

    def test_settings_are_plain(self) -> None:
        """Settings survive JSON, so that they can be kept and shown; deviations are sentences."""
        settings = self.record.settings
        try:
            again = json.loads(json.dumps(settings))
        except (TypeError, ValueError) as error:
            raise AssertionError(f"its settings are no JSON: {error}") from error
        assert again == settings, "its settings do not survive JSON: write lists, not tuples"
        deviations = self.record.deviations
        assert isinstance(deviations, tuple), f"deviations are a {type(deviations).__name__}"
        assert all(isinstance(text, str) and text.strip() for text in deviations), (
            "a deviation is no text"
        )

    def test_it_is_the_same_every_time(self) -> None:
        """Resolving it twice gives the same options, and leaves the settings as they were."""
        before = copy.deepcopy(dict(self.record.settings))
        assert self.resolved() == self.resolved(), "resolved twice, its options differ"
        assert before == dict(self.record.settings), "its settings changed when it was resolved"

    def test_it_says_nothing_of_the_machine(self) -> None:
        """Devices, threads and processes belong to who runs it: a preset sets no ``runtime``."""
        assert "runtime" not in self.record.settings, "it sets options of runtime: leave them out"
