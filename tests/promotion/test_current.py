"""The current model and its history, on a real store."""

from __future__ import annotations

import json
import random
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.promotion.current import (
    current_key,
    current_model,
    empty,
    give_up,
    promote,
    roll_back,
)
from lusgan_core.promotion.history import CurrentModel, barred, lineage, read_history
from lusgan_core.promotion.withdrawal_marks import mark, mark_of, unmark
from lusgan_core.store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def model(store: LocalStore, name: str, by: str = "gates", evaluated: str = "e") -> CurrentModel:
    """Return a model whose manifest is in the store."""
    folder = f"models/score-2/{name}"
    store.put(f"{folder}/manifest.json", b"{}")
    return CurrentModel(
        score=2, model=name, folder=folder, trained=f"{folder}/manifest.json",
        evaluated=evaluated, promoted=datetime.now(UTC), by=by,
    )  # fmt: skip


def names(store: LocalStore) -> list[tuple[str, str | None, str]]:
    history = read_history(store, 2)
    assert len({entry.number for entry in history}) == len(history)
    return [(e.action, e.model.model if e.model else None, e.left) for e in history]


def now(store: LocalStore) -> str | None:
    current = current_model(store, 2)
    return current.model if current else None


def test_a_promotion_replaces_the_current_model_and_is_kept(store: LocalStore) -> None:
    """One object names the current model, another score's is untouched, and history has both."""
    assert now(store) is None
    promote(store, model(store, "a"))
    promote(store, model(store, "b"))
    assert now(store) == "b"
    assert current_model(store, 1) is None
    assert names(store) == [("promoted", "a", ""), ("promoted", "b", "a")]
    keys = [item.key for item in store.list("current/")]
    assert keys == [
        "current/heads/score-2.json",
        "current/history/score-2/00001.json",
        "current/history/score-2/00001.json.copy",
        "current/history/score-2/00002.json",
        "current/history/score-2/00002.json.copy",
        "current/score-2.json",
    ]


def test_promoting_the_current_model_again_changes_nothing(store: LocalStore) -> None:
    """A run that was cut off between decision and manifest leaves one entry, not two."""
    promote(store, model(store, "a"))
    before = {item.key: store.get(item.key) for item in store.list()}
    promote(store, model(store, "a"))
    assert {item.key: store.get(item.key) for item in store.list()} == before
    store.delete("current/score-2.json")  # cut off before it was written
    promote(store, model(store, "a"))
    assert {item.key: store.get(item.key) for item in store.list()} == before


def test_rollback_goes_back_step_by_step(store: LocalStore) -> None:
    """From c to b to a, then there is nothing more; each step is in the history."""
    for name in "abc":
        promote(store, model(store, name))
    assert roll_back(store, 2).left == "c"
    assert now(store) == "b"
    roll_back(store, 2)
    assert now(store) == "a"
    with pytest.raises(ConfigError, match=r"score 2 has no earlier model.*lusgan models"):
        roll_back(store, 2)
    assert now(store) == "a"
    assert names(store)[3:] == [("rolled back", "b", "c"), ("rolled back", "a", "b")]
    assert set(barred(read_history(store, 2))) == {"b", "c"}
    promote(store, model(store, "c", by="hand"))
    assert set(barred(read_history(store, 2))) == {"b"}
    roll_back(store, 2)
    assert now(store) == "a"


def test_only_a_model_that_was_rolled_back_from_is_barred(store: LocalStore) -> None:
    """One that a better model replaced, or that was emptied, may come back by its gates; gates do
    not lift what a person barred."""
    for name in "abc":
        promote(store, model(store, name))
    empty(store, 2, "withdrawal", "it saw an exam")
    assert not barred(read_history(store, 2))
    promote(store, model(store, "d"))
    roll_back(store, 2)
    assert barred(read_history(store, 2)) == {"d": "rolled back"}
    promote(store, model(store, "d", by="gates"))
    assert barred(read_history(store, 2)) == {"d": "rolled back"}


def test_rollback_passes_over_what_is_gone_or_marked(store: LocalStore) -> None:
    """A deleted model and one that saw a withdrawn exam are no place to go back to."""
    for name in "abcd":
        promote(store, model(store, name))
    store.delete("models/score-2/c/manifest.json")
    mark(store, "models/score-2/b", "01234567", datetime.now(UTC))
    roll_back(store, 2)
    assert now(store) == "a"


def test_an_emptied_place_stays_empty_until_somebody_is_promoted(store: LocalStore) -> None:
    """After emptying there is no object, not an old one; a rollback goes to the one before."""
    for name in "ab":
        promote(store, model(store, name))
    empty(store, 2, "withdrawal", "it saw an exam")
    assert now(store) is None
    assert not store.exists("current/score-2.json")
    assert names(store)[-1] == ("emptied", None, "b")
    assert [m.model for m in lineage(read_history(store, 2))] == ["a"]
    roll_back(store, 2)
    assert now(store) == "a"
    assert not barred(read_history(store, 2))


def test_marked_models_are_refused(store: LocalStore) -> None:
    """A model that saw a withdrawn exam is not promoted, by whomever, until the mark is gone."""
    chosen, at = model(store, "a", by="hand"), datetime.now(UTC)
    mark(store, chosen.folder, "01234567", at)
    mark(store, chosen.folder, "89abcdef", at)
    with pytest.raises(ConfigError, match="a was trained on an exam that was withdrawn"):
        promote(store, chosen)
    unmark(store, chosen.folder, "01234567")
    assert mark_of(store, chosen.folder).exams == {"89abcdef": at}
    unmark(store, chosen.folder, "89abcdef")
    assert mark_of(store, chosen.folder) is None
    promote(store, chosen)
    assert now(store) == "a"


def test_changes_at_the_same_time_come_in_one_order(store: LocalStore) -> None:
    """Eight promotions at once make eight entries, and the last of them is current."""
    chosen = [model(store, name) for name in "abcdefgh"]
    threads = [threading.Thread(target=promote, args=(store, m)) for m in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    history = names(store)
    assert sorted(name for _, name, _ in history) == list("abcdefgh")
    assert now(store) == history[-1][1]
    assert [left for _, _, left in history] == ["", *(name for _, name, _ in history[:-1])]


def test_every_change_of_a_record_is_noticed(store: LocalStore) -> None:
    """One changed bit anywhere in the current model's record, or another score's in its place: it
    is set aside and made again from the history."""
    promote(store, model(store, "a"))
    key = current_key(2)
    whole = store.get(key)
    chance = random.Random(5)
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        if json.loads(whole) == _json(changed):
            continue  # white space
        store.put(key, bytes(changed))
        assert now(store) == "a"
        assert store.get(key) == whole
    other = current_model(store, 2).model_copy(update={"score": 1})  # type: ignore[union-attr]
    for content in (b"", b"null", b"[1]", b'{"score": null}', other.sealed(), None):
        store.delete(key) if content is None else store.put(key, content)
        assert now(store) == "a"
        assert store.get(key) == whole


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_a_damaged_entry_of_the_history_is_replaced_by_its_copy(store: LocalStore) -> None:
    """Damaged, gone or another's, the first copy comes back; without any, it is left out, and its
    number is not taken again."""
    promote(store, model(store, "a"))
    promote(store, model(store, "b"))
    first, _, last, *_ = [item.key for item in store.list("current/history/score-2/")]
    before, whole = names(store), store.get(last)
    for content in (b"", whole[:-9], store.get(first), None):
        store.delete(last) if content is None else store.put(last, content)
        assert names(store) == before
        assert store.get(last) == whole
    store.put(last, b"")
    store.put(f"{last}.copy", b"")
    assert names(store) == before[:1]
    assert now(store) == "b"
    promote(store, model(store, "c"))
    assert (now(store), [e.number for e in read_history(store, 2)]) == ("c", [1, 3])
    assert names(store)[-1] == ("promoted", "c", "b")


def test_a_lost_model_gives_way_to_the_one_before(store: LocalStore) -> None:
    """The one before becomes current, or none; who is lost is not barred when it is trained again,
    as it would be had a person rolled back from it."""
    for name in ("a", "b"):
        promote(store, model(store, name))
    assert give_up(store, 2, model(store, "a").folder, "it is lost") is None
    entry = give_up(store, 2, model(store, "b").folder, "it is lost")
    assert entry is not None
    assert (entry.action, entry.by, now(store)) == ("rolled back", "damage", "a")
    assert not barred(read_history(store, 2))
    give_up(store, 2, model(store, "a").folder, "it is lost")
    assert now(store) is None
