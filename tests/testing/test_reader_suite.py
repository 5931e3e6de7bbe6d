"""The contract suite of readers: a good reader passes, and each broken one is caught."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from lusgan_core.api import Clip, ClipError, FoundClip, Options, Reader
from lusgan_core.testing import ReaderContract
from small_readers import BY_HEAD, RAW, SIDE, open_raw, raw


class RawContract(ReaderContract):
    def files(self, frames: int) -> dict[str, bytes]:
        levels = np.arange(frames).repeat(SIDE * SIDE).astype(np.uint8).tobytes()
        return {"ANNA/E1/1_apex.raw": levels, "BERT/E1/2_base.raw": levels}


class HeadContract(ReaderContract):
    def files(self, frames: int) -> dict[str, bytes]:
        clips = {
            f"IM{number}": f"{patient} FIRST\n".encode() + raw(frames)[11:]
            for number, patient in enumerate(("ANNA", "BERT"))
        }
        return {**clips, "labels.csv": b"IM0,1\nIM1,2"}


def run(record: Reader, name: str, suite: type[ReaderContract] = RawContract) -> None:
    """Run one test of the suite on a reader, as pytest would."""
    getattr(type("TestIt", (suite,), {"record": record})(), name)()


NAMES = [name for name in dir(ReaderContract) if name.startswith("test_")]


@pytest.mark.parametrize("name", NAMES)
def test_good_readers_pass(name: str) -> None:
    """Readers that keep the contract pass every test: by names, and by heads and a table."""
    run(RAW, name)
    if "damage" not in name:
        run(BY_HEAD, name, HeadContract)


def changed(change: Callable[[Clip, Any], Clip]) -> Reader:
    """Return a reader that changes the clips that it opens."""

    @contextmanager
    def opened(objects: Any) -> Iterator[Clip]:
        with open_raw(objects) as clip:
            yield change(clip, objects)

    return replace(RAW, open=opened)


def frames_by(batches: Callable[[Clip], Iterator[Any]]) -> Reader:
    """Return a reader whose frames are made of the good ones."""
    return changed(lambda clip, _: replace(clip, frames=lambda: batches(clip)))


def reusing(clip: Clip) -> Iterator[Any]:
    buffer = np.empty((1, SIDE, SIDE), np.uint8)
    for batch in clip.frames():
        buffer[...] = batch
        yield buffer


def whole(clip: Clip) -> Iterator[Any]:
    yield from np.concatenate(list(clip.frames()))[:, None]


@contextmanager
def left_open(objects: Any) -> Iterator[Clip]:
    objects.open()
    with open_raw(objects) as clip:
        yield clip


KEPT: list[Any] = []
PASSES = itertools.count()


@contextmanager
def left_open_on_errors(objects: Any) -> Iterator[Clip]:
    opened = open_raw(objects)
    KEPT.append(opened)
    yield opened.__enter__()
    opened.__exit__(None, None, None)


@contextmanager
def sequential(objects: Any) -> Iterator[Clip]:
    """Frames without a seek: two passes share one position."""
    with open_raw(objects) as clip, objects.open() as file:

        def frames() -> Iterator[Any]:
            file.seek(0)
            for _ in range(clip.count):
                data = file.read(SIDE * SIDE).ljust(SIDE * SIDE)
                yield np.frombuffer(data, np.uint8).reshape(1, SIDE, SIDE)

        yield replace(clip, frames=frames)


@contextmanager
def telling(objects: Any) -> Iterator[Clip]:
    with objects.open() as file:
        if not file.read(1):
            raise ClipError(f"{objects.files.clip.key} is empty")
    with open_raw(objects) as clip:
        yield clip


@contextmanager
def bare(objects: Any) -> Iterator[Clip]:
    with objects.open() as file:
        if not file.read(1):
            raise ValueError("empty")
    with open_raw(objects) as clip:
        yield clip


@contextmanager
def blind(objects: Any) -> Iterator[Clip]:
    """Takes anything for a clip."""
    empty = np.zeros((5, SIDE, SIDE), np.uint8)
    yield Clip(SIDE, SIDE, 5, lambda: iter([empty.copy()]), lambda: 1)


def greedy(listing: Any) -> Iterator[Any]:
    yield from (FoundClip("P", str(n), s) for n, s in enumerate(listing.objects))


def first_only(listing: Any) -> Iterator[Any]:
    yield from list(RAW.find(listing))[:1]


def forgetful(listing: Any) -> Iterator[Any]:
    for stat in listing.objects:
        listing._source.open(stat.key).close()
    yield from RAW.find(listing)


def fragile(listing: Any) -> Iterator[Any]:
    for stat in listing.objects:
        listing.head(stat, lambda file: file.read(1)[0])
    yield from RAW.find(listing)


class Unbounded(Options):
    size: int = Field(1, description="A number without bounds")


BROKEN = [
    (replace(RAW, name="r-w"), "name_and_description_can_be_shown"),
    (replace(RAW, options=Unbounded), "options_are_frozen_described_and_bounded"),
    (replace(RAW, open=functools.partial(open_raw)), "code_can_be_fingerprinted"),
    (replace(RAW, layout=""), "layout_can_be_shown"),
    (replace(RAW, find=greedy), "finds_its_clips_and_nothing_else"),
    (replace(RAW, find=first_only), "finds_its_clips_and_nothing_else"),
    (replace(RAW, find=forgetful), "a_second_look_opens_nothing"),
    (
        frames_by(lambda clip: (b.astype(np.int16) for b in clip.frames())),
        "frames_have_the_promised_shape",
    ),
    (frames_by(lambda clip: (b[0] for b in clip.frames())), "frames_have_the_promised_shape"),
    (frames_by(lambda clip: (b[:, 1:] for b in clip.frames())), "frames_have_the_promised_shape"),
    (frames_by(lambda clip: iter(list(clip.frames())[1:])), "frames_have_the_promised_shape"),
    (frames_by(reusing), "batches_are_the_callers_own"),
    (replace(RAW, open=sequential), "every_pass_gives_the_same_frames"),
    (
        frames_by(lambda clip: (b + np.uint8(next(PASSES) % 251) for b in clip.frames())),
        "every_pass_gives_the_same_frames",
    ),
    (changed(lambda clip, _: replace(clip, scores=lambda: [1] * 4)), "scores_fit_the_frames"),
    (changed(lambda clip, _: replace(clip, scores=lambda: 4)), "scores_fit_the_frames"),
    (replace(RAW, open=left_open), "everything_is_closed_afterwards"),
    (replace(RAW, open=left_open_on_errors), "everything_is_closed_afterwards"),
    (frames_by(whole), "memory_does_not_grow_with_the_clip"),
    (replace(RAW, open=telling), "damage_is_told_without_names"),
    (replace(RAW, open=bare), "damage_is_told_without_names"),
    (replace(RAW, open=blind), "damage_is_told_without_names"),
    (replace(RAW, find=fragile), "damage_is_told_without_names"),
]


@pytest.mark.parametrize(("record", "name"), BROKEN)
def test_broken_readers_are_caught(record: Reader, name: str) -> None:
    """A reader broken in one way fails the test that is there for it, with a text that says so."""
    with pytest.raises(AssertionError) as caught:
        run(record, f"test_{name}")
    assert len(str(caught.value)) > 10


def test_every_test_is_shown_to_fail() -> None:
    """No test of the suite is without a broken reader that it catches."""
    assert {f"test_{name}" for _, name in BROKEN} == set(NAMES)
