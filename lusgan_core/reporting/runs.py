"""The runs of a store, by their reports: for the index page and for comparisons.

A run is named by the folder of its report, ``reports/1f3a90c2``: eight digits. What it showed is in
the manifests that its report names; only those of scores are read, since a hospital's exams have
thousands of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.errors import ConfigError, MissingArtifactError
from lusgan_core.reporting.page import environment, utc
from lusgan_core.reporting.stage import ReportRecord
from lusgan_core.store import Store

FOLDER = "reports/"
INDEX = "reports/index.html"
"""Key of the page that lists all reports of a store."""
_OF_A_SCORE = re.compile(r"^(?:datasets|models|samples|evaluations)/score-(\d)/")
_NAME = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class Run:
    """One run, as its report has it."""

    name: str
    """Eight digits, the folder of its report."""
    title: str
    created: datetime | None
    page: str
    """Key of the report."""
    record: ReportRecord

    @classmethod
    def of(cls, page: str, title: str, created: datetime | None, record: ReportRecord) -> Run:
        """Make a run of its report.

        Args:
            page: Key of the report.
            title: Its title.
            created: When it was made; None where that is unknown.
            record: The scores and stages that it covers.

        Returns:
            The run, named by the report's folder.
        """
        return cls(page.split("/")[-2], title, created, page, record)

    @property
    def when(self) -> str:
        """When the report was made, in UTC."""
        return utc(self.created) if self.created else "at an unknown time"


def list_runs(store: Store) -> list[Run]:
    """List the runs whose reports a store holds, the latest first.

    Args:
        store: The store.

    Returns:
        The runs; reports whose manifest is damaged are left out.
    """
    runs = [run for run in map(_run, _manifests(store, _folders(store))) if run]
    return sorted(runs, key=_age, reverse=True)


def find_run(store: Store, name: str) -> Run:
    """Find a run by its name.

    Args:
        store: The store with its report.
        name: Eight digits, or any address with them: of the report's folder or page.

    Returns:
        The run.

    Raises:
        ConfigError: The store holds no report of that name, or it is damaged.
    """
    for folder in reversed(_NAME.findall(name)):
        for found in map(_run, _manifests(store, [f"{FOLDER}{folder}/"])):
            if found:
                return found
    known = ", ".join(run.name for run in list_runs(store)[:10]) or "none"
    raise ConfigError(
        f"there is no run {name!r} in {store.uri}: expected the eight digits of a report, of those "
        f"there are {known}"
    )


def score_manifests(store: Store, run: Run) -> dict[int, dict[str, Manifest]]:
    """Read the manifests of a run's scores.

    Args:
        store: The store.
        run: The run.

    Returns:
        Score -> stage -> manifest, as far as the stages got; what was deleted since is left out.
    """
    found: dict[int, dict[str, Manifest]] = {}
    keys = [(key, _OF_A_SCORE.match(key)) for key in run.record.stages]
    for manifest, score in _read(store, [(key, int(m[1])) for key, m in keys if m]):
        found.setdefault(score, {})[manifest.stage] = manifest
    return dict(sorted(found.items()))


def write_index(store: Store, new: Run | None = None) -> None:
    """Write the page that lists all reports of a store, with what each claims.

    Args:
        store: The store; the page is written to ``INDEX``, or deleted where no report is left.
        new: A run whose manifest is not in the store yet; None for none.
    """
    others = [run for run in list_runs(store) if new is None or run.name != new.name]
    runs = sorted([new, *others], key=_age, reverse=True) if new else others
    if runs:
        page = environment().get_template("index.html").render(runs=runs, uri=store.uri)
        store.put(INDEX, page.encode())
    else:
        store.delete(INDEX)


def _age(run: Run) -> tuple[float, str]:
    return (run.created.timestamp() if run.created else 0.0, run.name)


def _folders(store: Store) -> list[str]:
    names = {item.key.split("/")[1] for item in store.list(FOLDER) if item.key.count("/") > 1}
    return [f"{FOLDER}{name}/" for name in sorted(names)]


def _manifests(store: Store, folders: Sequence[str]) -> Iterator[Manifest]:
    for manifest, _ in _read(store, [(f"{folder}manifest.json", 0) for folder in folders]):
        yield manifest


def _read(store: Store, keys: Sequence[tuple[str, int]]) -> Iterator[tuple[Manifest, int]]:
    for key, score in keys:
        try:
            yield Manifest.model_validate_json(store.get(key)), score
        except (MissingArtifactError, ValueError):
            continue


def _run(manifest: Manifest) -> Run | None:
    try:
        record = data_of(manifest, ReportRecord)
        page = manifest.artifacts["page"].key
    except (ValueError, KeyError):
        return None
    return Run.of(page, str(manifest.options.get("title", "")), manifest.created, record)
