"""Looks at a whole store, or at a share of it, for what is not what was written there.

Every manifest is read and every artifact that it names is compared with its digest; records,
checkpoints, features and previews, which no manifest names, hold digests or checksums of their own.
With ``repair`` what is damaged is set aside, so that the next run makes it again; weights are
rebuilt at once, and a model of which that fails gives way to the one before.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

from lusgan_core.calls.call import SUMS, listed_digests
from lusgan_core.calls.ledger import ExamLedger
from lusgan_core.calls.provenance import Manifest, Sealed, digest_file, digest_json
from lusgan_core.calls.records import digits, peek, put_kept, read_kept, set_aside
from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import DamagedError, MissingArtifactError, TrainingError
from lusgan_core.exporting.record import StoredExport
from lusgan_core.pipeline.arrivals import Announcements
from lusgan_core.pipeline.heal import heal_current, leave_lost
from lusgan_core.pipeline.index import MANIFEST
from lusgan_core.pipeline.last_look import LastLook
from lusgan_core.pipeline.withdrawal import Withdrawal
from lusgan_core.progress import track
from lusgan_core.promotion.current import publish
from lusgan_core.promotion.history import (
    CurrentModel,
    Head,
    HistoryEntry,
    Review,
    append,
    as_they_are,
    broken,
    current_key,
    head_key,
    write_head,
)
from lusgan_core.promotion.withdrawal_marks import Mark
from lusgan_core.store import Store
from lusgan_core.store.base import ASIDE, COPY, StoredObject, shown
from lusgan_core.training.checkpoint import read_checkpoint
from lusgan_core.training.previews import readable
from lusgan_core.training.rebuild import mend, weights
from lusgan_core.training.stage import SeenClips

UNCHECKED = (ASIDE, "results/")
"""What nobody reads again, and Prefect's copies of manifests, which are not believed."""
NIGHT_S = 86_400
RECORDS: tuple[tuple[re.Pattern[str], type[Sealed], bool], ...] = (
    (re.compile(r"^current/score-\d+\.json$"), CurrentModel, False),
    (re.compile(r"^current/history/.*\.json$"), HistoryEntry, True),
    (re.compile(r"^current/heads/.*\.json$"), Head, False),
    (re.compile(r"^exams/known-\w+\.json$"), ExamLedger, True),
    (re.compile(r"^exams/announced-\w+\.json$"), Announcements, False),
    (re.compile(r"^exams/looked-\w+\.json$"), LastLook, False),
    (re.compile(r"^withdrawals/\w+\.json$"), Withdrawal, True),
    (re.compile(r"^models/.*/withdrawn\.json$"), Mark, True),
    (re.compile(r"^exports/[^/]+/record\.json$"), StoredExport, True),
    (re.compile(r"^models/.*/clips\.json$"), SeenClips, False),
)
"""Keys of records, what they hold, and whether they are kept twice."""


class Damage(Record):
    """One thing that is not what was written."""

    key: str
    name: str
    """Its key as it may be shown: without the codes of patients."""
    expected: str
    found: str
    then: str = ""
    """What was done about it, or is to be done."""


class Verified(Record):
    """What a look at a store found."""

    objects: int
    """Objects that were read."""
    size: int
    """Bytes that were read."""
    damages: tuple[Damage, ...]


def tonight(share: float, now: float | None = None) -> int:
    """Choose the part of a store whose turn it is today.

    Args:
        share: Share of the store that is read each day.
        now: Seconds since 1970; None for this moment.

    Returns:
        The number of the part, of ``1 / share`` parts.
    """
    return int((time.time() if now is None else now) // NIGHT_S) % max(1, round(1 / share))


def verify(store: Store, *, repair: bool = False, share: float = 1.0, part: int = 0) -> Verified:
    """Check a store; see above.

    Args:
        store: The store.
        repair: Whether to set aside what is damaged, and to rebuild weights.
        share: Share of the objects to read, 0 to 1; which ones follows from their keys.
        part: Number of the share, from 0: each of ``1 / share`` parts reads other objects.

    Returns:
        What is damaged. An artifact that is missing counts as damaged.

    Raises:
        StoreError: The store cannot be read, or with ``repair`` written.
    """
    checked = _Look(store, repair, max(1, round(1 / share)), part)
    items = [item for item in store.list() if not item.key.startswith(UNCHECKED)]
    with track("verifying", sum(item.size for item in items), "B") as task:
        for item in items:
            checked.at(item)
            task.advance(item.size)
    for score in (*SCORES, None):
        checked.history(score)
    if repair:
        heal_current(store)
    return Verified(objects=checked.objects, size=checked.size, damages=tuple(checked.damages))


@dataclass
class _Look:
    store: Store
    repair: bool
    parts: int
    part: int
    objects: int = 0
    size: int = 0
    damages: list[Damage] = field(default_factory=list)

    def at(self, item: StoredObject) -> None:
        """Check one object, and what it names."""
        key = item.key
        if MANIFEST.search(key):
            self._manifest(key)
            return
        first = key.removesuffix(COPY)
        kind = next(((k, twice) for at, k, twice in RECORDS if at.match(first)), None)
        check: Callable[[bytes], object] | None = None
        if kind is not None:
            check = kind[0].model_validate_json
        elif "/checkpoints/" in key:
            check = read_checkpoint
        elif key.endswith(".npz"):
            check = _check_zip
        elif "/previews/" in key:
            check = _check_picture
        if check is None or not self._turn(key):
            return
        self._count(item.size)
        try:
            check(self.store.get(key))
        except MissingArtifactError:
            return
        except (ValueError, TrainingError, OSError, zipfile.BadZipFile) as error:
            what = "an intact file" if kind is None else f"a {kind[0].__name__}"
            self._found(key, what, type(error).__name__, self._again(key, kind))

    def _again(self, key: str, kind: tuple[type[Sealed], bool] | None) -> str:
        """Set a damaged object aside, or put its copy in its place, if that is asked for."""
        if not self.repair:
            return "`lusgan verify --repair` sets it aside"
        if kind and kind[1]:
            try:
                record = read_kept(self.store, key.removesuffix(COPY), kind[0], "")
            except (DamagedError, MissingArtifactError):
                return "both copies were damaged or gone; it was set aside"
            put_kept(self.store, key.removesuffix(COPY), record)
            return "its other copy took its place"
        set_aside(self.store, key)
        return "it was set aside"

    def _manifest(self, key: str) -> None:
        try:
            manifest = Manifest.model_validate_json(self.store.get(key))
        except MissingArtifactError:
            return
        except ValueError:
            if self._turn(key):
                self._found(key, "a Manifest", "none, or a changed one", self._again(key, None))
            return
        if self._turn(key):
            self._count(0)
        for name, ref in manifest.artifacts.items():
            if self._turn(ref.key):
                self._artifact(manifest, name, ref.key, ref.digest)
            if name.endswith(f"/{SUMS}"):
                self._listed(ref.key, key)

    def _artifact(self, manifest: Manifest, name: str, key: str, digest: str) -> None:
        found = self._digest(key)
        if found == digest:
            return
        then = self._again(key, None)
        if self.repair:
            then = self._of_manifest(manifest, name) or then
        self._found(key, digits(digest), digits(found) if found else "nothing", then)

    def _of_manifest(self, manifest: Manifest, name: str) -> str:
        """See to the manifest of a damaged artifact: without it, the next run makes all again.

        That of a model stays, as long as the weights are there.
        """
        if manifest.stage != "train":
            set_aside(self.store, manifest.manifest_key)
            return ""
        if name == "generator":
            return self._weights(manifest)
        made = mend(self.store, manifest, name)
        return "it was made again" if made else "the model stays without it"

    def _weights(self, manifest: Manifest) -> str:
        try:
            weights(self.store, manifest)
        except DamagedError:
            folder = manifest.manifest_key.rpartition("/")[0]
            set_aside(self.store, manifest.manifest_key)
            score = int(manifest.data["score"])
            leave_lost(self.store, score, folder, "its weights are damaged")
            return "`lusgan run` goes on from an older checkpoint, or asks for --repair"
        return "rebuilt from the last checkpoint"

    def _listed(self, sums: str, manifest_key: str) -> None:
        """Check the files of a list of digests; with one that is damaged, the list goes, too."""
        try:
            listed = listed_digests(self.store.get(sums))
        except MissingArtifactError:
            return
        for digest, name in listed:
            key = f"{sums.removesuffix(SUMS)}{name}"
            if not self._turn(key):
                continue
            found = self._digest(key)
            if found != digest:
                then = self._again(key, None)
                if self.repair:
                    set_aside(self.store, sums)
                    set_aside(self.store, manifest_key)
                self._found(key, digits(digest), digits(found) if found else "nothing", then)

    def _digest(self, key: str) -> str:
        try:
            with self.store.local_copy(key) as path:
                self._count(path.stat().st_size)
                return digest_file(path)
        except MissingArtifactError:
            return ""

    def history(self, score: int | None) -> None:
        """Check that no entry of a history was changed or removed; with ``repair`` note those.

        Histories are short, and each part of a store's looks includes them.
        """
        lost = [one for one in broken(self.store, score) if not one.noted]
        entries, head = as_they_are(self.store, score)
        last = entries[max(entries)] if entries else None
        if lost and self.repair:
            numbers = tuple(one.number for one in lost)
            why = Review(why=f"entries {', '.join(map(str, numbers))} are not what was written")
            append(self.store, score, "noted", "damage", review=why, lost=numbers)
        for one in lost:
            then = "noted in the history" if self.repair else "`lusgan history` shows it"
            expected = digits(one.expected) if one.expected else "an entry"
            found = digits(one.found) if one.found else "nothing"
            self._found(one.key, expected, found, then)
        if last and head is None and last.before is not None and last.number > 1:
            if self.repair:
                write_head(self.store, score)
            then = "made from the last entry" if self.repair else "`--repair` makes it"
            self._found(head_key(score), "a Head", "nothing", then)
        untouched = last and last.number not in {one.number for one in lost}
        if last and untouched and score is not None and not (head and head.number > last.number):
            self._current(score, last)

    def _current(self, score: int, last: HistoryEntry) -> None:
        """Check that the current model is the one that the history names."""
        current = peek(self.store, current_key(score), CurrentModel)
        entries, _ = as_they_are(self.store, score)
        if current == last.model or last.number != max(entries):  # or it is changed just now
            return
        if self.repair:
            publish(self.store, score)
        then = "it was made" if self.repair else "`--repair` makes it"
        names = [model.model if model else "none" for model in (last.model, current)]
        expected = f"{names[0]}, the last in the history"
        self._found(current_key(score), expected, names[1], f"{then} from the history")

    def _turn(self, key: str) -> bool:
        return self.parts == 1 or int(digest_json(key)[:8], 16) % self.parts == self.part

    def _count(self, size: int) -> None:
        self.objects += 1
        self.size += size

    def _found(self, key: str, expected: str, found: str, then: str) -> None:
        name = shown(key)
        self.damages.append(Damage(key=key, name=name, expected=expected, found=found, then=then))


def _check_zip(data: bytes) -> None:
    """Raise BadZipFile for a .npz file that is not intact."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if file.testzip() is not None:
            raise zipfile.BadZipFile


def _check_picture(data: bytes) -> None:
    if not readable([(0, data)]):
        raise ValueError("no intact picture")
