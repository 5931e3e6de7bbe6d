"""The readers that look at a source: those that the options name, or all that are installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from lusgan_core.api import (
    Belonging,
    Clip,
    ClipObjects,
    FoundClip,
    Listing,
    NoOptions,
    Options,
    Reader,
    Refused,
    SourceStat,
)
from lusgan_core.calls.provenance import digest_json
from lusgan_core.errors import ClipError, ConfigError, PluginError
from lusgan_core.registry import Registry, installed

Finding = FoundClip | Refused | Belonging


@dataclass(frozen=True)
class ChosenReader:
    """A reader with its options."""

    record: Reader
    options: Options
    registry: Registry
    named: bool = False
    """Whether the options name it; what goes wrong in it then ends the look at a source."""

    @property
    def name(self) -> str:
        """Name of the record."""
        return self.record.name

    def __str__(self) -> str:
        return f"reader {self.name} of {self.registry.providers['reader', self.name]}"

    @cached_property
    def identity(self) -> str:
        """Identifies what it reads: the plugin and its options."""
        options = digest_json(self.options.model_dump(mode="json"))[:8]
        return f"{self.name} {self.registry.identity('reader', self.name)} {options}"

    def find(self, listing: Listing) -> list[Finding]:
        """Find its clips.

        Args:
            listing: All objects of a source.

        Returns:
            Clips, refused objects and others that belong to them.

        Raises:
            PluginError: It yields what is no finding, or none of this source.
            Exception: Whatever goes wrong in the plugin.
        """
        arguments = () if self.record.options is NoOptions else (self.options,)
        keys = {stat.key for stat in listing.objects}
        found = list(self.record.find(listing, *arguments))
        for one in found:
            _check(one, keys)
        return found

    def open(self, objects: ClipObjects) -> AbstractContextManager[Clip]:
        """Open a clip; raises whatever goes wrong in the plugin."""
        arguments = () if self.record.options is NoOptions else (self.options,)
        return self.record.open(objects, *arguments)


Readers = Mapping[str, ChosenReader]
"""Readers by name."""


def choose_readers(
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    declared: Mapping[str, Any] | None = None,
) -> Readers:
    """Choose readers by the options of ingestion.

    Args:
        options: Name of each reader -> its options; None or empty for all that are installed.
        registry: Installed plugins; None for those of this process.
        declared: What was declared of all clips (``IngestionOptions.declared``), which goes to
            every reader that has such an option, unless its own options say otherwise.

    Returns:
        The readers by name.

    Raises:
        UnknownPluginError: A reader is named that is not installed.
        ConfigError: No reader is installed, or one refuses its options.
    """
    known = installed() if registry is None else registry
    chosen = {
        name: ChosenReader(
            known.reader(name),
            _validated(known.reader(name), (options or {}).get(name, {}), declared or {}),
            known,
            named=bool(options),
        )
        for name in sorted(options or known.readers())
    }
    if not chosen:
        raise ConfigError("no reader of exams is installed: `lusgan plugins` lists what there is")
    return chosen


def with_declared(
    reader: Reader, own: Mapping[str, Any], declared: Mapping[str, Any]
) -> dict[str, Any]:
    """Add what was declared of all clips to a reader's own options, where it has such an option.

    Args:
        reader: The reader.
        own: Options given to it by name; null counts as not given.
        declared: Name of an option -> its value.

    Returns:
        The options to validate.
    """
    taken = {name: value for name, value in declared.items() if name in reader.options.model_fields}
    return taken | {
        name: value for name, value in own.items() if value is not None or name not in taken
    }


def _validated(reader: Reader, given: Any, declared: Mapping[str, Any]) -> Options:
    own = with_declared(reader, given, declared) if isinstance(given, Mapping) else given
    try:
        return reader.options.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (reader.name, *first["loc"])))
        raise ConfigError(f"option ingestion.readers.{where}: {first['msg']}") from error


def objects_of(found: Finding) -> tuple[SourceStat, ...]:
    """All objects of one finding."""
    if not isinstance(found, FoundClip):
        return (found.stat,)
    stats = (found.clip, found.scores, found.mask, *found.others.values())
    return tuple(stat for stat in stats if stat is not None)


def failure(error: BaseException) -> str:
    """Describe what a plugin raised, and where.

    The text of a stranger's error is left out, since it may name a patient.
    """
    if isinstance(error, ClipError | PluginError):
        return str(error)
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f" at {code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{place}"


def _check(found: Finding, keys: set[str]) -> None:
    """Raise PluginError for what is no finding in a source of these keys."""
    if not isinstance(found, FoundClip | Refused | Belonging):
        raise PluginError(
            f"find yields {type(found).__name__}, expected FoundClip, Refused or Belonging"
        )
    if isinstance(found, Refused):
        return
    if not {stat.key for stat in objects_of(found)} <= keys:
        raise PluginError("find yields an object that is not in the listing")
    if isinstance(found, FoundClip):
        if not all(isinstance(code, str) and code for code in (found.patient, found.exam)):
            raise PluginError("find yields a clip without the codes of its patient and exam")
        if {"clip", "scores", "mask"} & set(found.others):
            raise PluginError("clip, scores and mask of a FoundClip are fields, not among others")
        try:
            json.dumps(dict(found.facts), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(f"the facts of a FoundClip are no JSON: {error}") from None
