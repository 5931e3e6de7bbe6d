"""The history as a log that is answered for: who, why, and whether it is what was written."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lusgan_core.calls.provenance import SEAL, ArtifactRef, digest_json
from lusgan_core.pipeline.verify import verify
from lusgan_core.promotion.current import current_key, current_model, empty, promote, roll_back
from lusgan_core.promotion.history import (
    CurrentModel,
    HistoryEntry,
    Review,
    account,
    append,
    broken,
    head_key,
    read_history,
)
from lusgan_core.store import LocalStore

REPORT = ArtifactRef(key="reports/0badcafe/index.html", digest="d" * 64, size=7)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store in which a, b and c were promoted, one after the other."""
    store = LocalStore(tmp_path)
    for name in "abc":
        promote(store, model(store, name))
    return store


def model(store: LocalStore, name: str) -> CurrentModel:
    folder = f"models/score-2/{name}"
    store.put(f"{folder}/model.json", b"{}")
    return CurrentModel(
        score=2, model=name, folder=folder, trained=f"{folder}/model.json",
        promoted=datetime(2026, 11, 27, tzinfo=UTC), by="gates",
    )  # fmt: skip


def key(number: int) -> str:
    return f"current/history/score-2/{number:05d}.json"


def edit(store: LocalStore, number: int, **changed: object) -> None:
    """Change an entry as somebody would who knows its format: both copies, and the seal anew."""
    values = {**json.loads(store.get(key(number))), **changed}
    values.pop(SEAL, None)
    values = {name: value for name, value in values.items() if value != "gone"}
    for copy in ("", ".copy"):
        store.put(key(number) + copy, json.dumps({**values, SEAL: digest_json(values)}).encode())


def remove(store: LocalStore, number: int) -> None:
    for copy in ("", ".copy"):
        store.delete(key(number) + copy)


def found(store: LocalStore) -> list[int]:
    return [one.number for one in broken(store, 2) if not one.noted]


def test_an_entry_says_who_answers_for_it(store: LocalStore) -> None:
    """Person, reason, report and account are in the entry; a gate's entry has the account alone."""
    entry = roll_back(store, 2, Review(who="Dr. Lee", why="grey bands", report=REPORT))
    assert entry == read_history(store, 2)[-1]
    assert (entry.who, entry.reason, entry.report) == ("Dr. Lee", "grey bands", REPORT)
    by_gates = read_history(store, 2)[0]
    assert (by_gates.by, by_gates.who, by_gates.account) == ("gates", "", account())
    assert "@" in account()


def test_each_entry_holds_the_digest_of_the_one_before(store: LocalStore) -> None:
    """From the first to the last, whatever was done."""
    empty(store, 2, "withdrawal", "it saw an exam")
    append(store, 2, "rejected", "hand", about="c")
    history = read_history(store, 2)
    assert [entry.before for entry in history] == ["", *(entry.digest for entry in history[:-1])]
    assert broken(store, 2) == ()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("how", ["edited", "removed"])
def test_what_was_edited_or_removed_is_named(store: LocalStore, number: int, how: str) -> None:
    """The entry, and no other: also the last one, with its seal made anew. Looking changes nothing;
    noted by a repair, it is no news any more, and stays named."""
    edit(store, number, reason="forged") if how == "edited" else remove(store, number)
    before = {item.key: store.get(item.key) for item in store.list()}
    assert found(store) == [number]
    damages = verify(store).damages
    assert [one.key for one in damages] == [key(number)]
    assert {item.key: store.get(item.key) for item in store.list()} == before
    assert verify(store, repair=True).damages != ()
    assert verify(store).damages == ()
    assert [(one.number, one.noted) for one in broken(store, 2)] == [(number, True)]
    assert current_model(store, 2).model == "c"  # type: ignore[union-attr]
    promote(store, model(store, "d"))
    assert verify(store).damages == ()


def test_a_forged_last_entry_makes_nothing_current(store: LocalStore) -> None:
    """An edited last entry is not believed by a repair: the current model stays."""
    edit(store, 3, model=json.loads(store.get(key(1)))["model"])
    verify(store, repair=True)
    assert current_model(store, 2).model == "c"  # type: ignore[union-attr]
    assert verify(store).damages == ()


def test_a_model_that_nobody_promoted_is_found(store: LocalStore) -> None:
    """Who writes `current` alone is found by the history, and a repair goes by that."""
    store.put(current_key(2), model(store, "x").sealed())
    (damage,) = verify(store).damages
    assert (damage.key, damage.found) == (current_key(2), "x")
    verify(store, repair=True)
    assert current_model(store, 2).model == "c"  # type: ignore[union-attr]


def test_a_head_that_is_gone_is_made_again(store: LocalStore) -> None:
    """It is missed, and a repair makes it."""
    head = store.get(head_key(2))
    store.delete(head_key(2))
    assert [one.key for one in verify(store).damages] == [head_key(2)]
    verify(store, repair=True)
    assert store.get(head_key(2)) == head


def test_a_history_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    """Its entries are read as they are; the next change is preceded by an entry that says from
    where on there are digests, and that holds those of the older ones: one of these edited later is
    named, too."""
    store = LocalStore(tmp_path)
    for number, name in enumerate("ab", 1):
        old = HistoryEntry(
            number=number, action="promoted", by="gates", at=datetime.now(UTC),
            model=model(store, name),
        )  # fmt: skip
        new = {"who", "account", "report", "about", "before", "earlier", "lost"}
        text = old.model_dump_json(exclude=new).encode()
        assert not any(f'"{field}"'.encode() in text for field in new)
        store.put(key(number), text)
    store.put(current_key(2), model(store, "b").sealed())
    assert verify(store).damages == ()
    promote(store, model(store, "c"))
    history = read_history(store, 2)
    assert [entry.action for entry in history] == ["promoted", "promoted", "begun", "promoted"]
    assert history[2].model == history[1].model
    assert "of an earlier release" in history[2].reason
    assert verify(store).damages == ()
    assert roll_back(store, 2).model == history[1].model
    edit(store, 1, reason="forged")
    assert found(store) == [1]


def test_digests_outlive_a_release() -> None:
    """The digest of an entry as it was written once: a release that changes it finds every history
    changed."""
    entry = HistoryEntry(
        number=3, action="rolled back", by="hand", at=datetime(2026, 11, 27, 8, 30, tzinfo=UTC),
        model=CurrentModel(
            score=2, model="b", folder="models/score-2/b", trained="models/score-2/b/manifest.json",
            promoted=datetime(2026, 11, 26, tzinfo=UTC), by="gates",
        ),
        left="c", reason="grey bands", who="Dr. Lee", account="lee@ward", report=REPORT,
        before="0" * 64,
    )  # fmt: skip
    assert entry.digest == "f009ce338a06be7c443261251a03e5f64cade12a5abb4cfb4630ec3fcd8ce2b3"


def test_writers_at_once_lose_no_entry(store: LocalStore) -> None:
    """Twelve rejections and four promotions at once: all are there, in one chain."""
    chosen = [model(store, name) for name in "wxyz"]
    work = [threading.Thread(target=promote, args=(store, one)) for one in chosen]
    for n in range(12):
        said = {"about": str(n)}
        work.append(
            threading.Thread(target=append, args=(store, 2, "rejected", "hand"), kwargs=said)
        )
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(timeout=60)
    history = read_history(store, 2)
    assert [entry.number for entry in history] == list(range(1, 20))
    assert {entry.about for entry in history if entry.about} == set(map(str, range(12)))
    assert verify(store).damages == ()
    promoted = [entry.model for entry in history if entry.action == "promoted"]
    assert current_model(store, 2) == promoted[-1]
