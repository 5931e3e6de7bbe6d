"""The contract of a reader of exams.

Shapes: n frames of a batch, H height, W width; batches are uint8 (n, H, W) or (n, H, W, 3).
"""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import (
    SCORES,
    UNLABELLED,
    Clip,
    ClipError,
    FoundClip,
    NoOptions,
    Reader,
    Refused,
    SourceStat,
)
from lusgan_core.ingestion.clip import FilesOfClip
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.listing import SourceListing, listed
from lusgan_core.ingestion.readers import ChosenReader, Finding
from lusgan_core.registry import Provider, Registry
from lusgan_core.testing.records import RecordContract

DECOY = "README"
"""An object that is no reader's."""
LONG_BYTES = 1 << 20
"""Decoded size of what a long clip has more than a short one."""


class ReaderContract(RecordContract):
    """The tests of a reader. Set ``record``, and write ``files``."""

    record: Reader

    def files(self, frames: int) -> Mapping[str, bytes]:
        """Give a small source: content of each object by key.

        Two patients at least have a clip each, of exactly that many frames, with all that belongs
        to it. Codes of patients have four characters or more, so that they can be looked for in
        texts.

        Args:
            frames: Number of frames of each clip.

        Returns:
            Content by key.
        """
        raise NotImplementedError("write files(): a small source for the reader to read")

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What finds clips and what opens them."""
        return {"find": self.record.find, "open": self.record.open}

    def reader(self) -> ChosenReader:
        """The reader with its default options, as a run has it."""
        registry, kept = Registry(), self.record
        registry.records["reader"][kept.name] = kept
        registry.providers["reader", kept.name] = Provider(kept.find.__module__)
        options = kept.options() if kept.options is not NoOptions else NoOptions()
        return ChosenReader(kept, options, registry, named=True)

    def clips(self, source: Tracked) -> list[FilesOfClip]:
        """All clips of a source, as their reader is given them."""
        found = discover(source, readers={self.record.name: self.reader()}, empty_ok=True)
        return [FilesOfClip(source, clip) for exam in found.exams for clip in exam.clips]

    def _find(self, source: Tracked, known: Mapping[str, str] | None = None) -> list[Finding]:
        """What the reader finds; ``known`` is what an earlier look remembered."""
        return self._look(source, known)[0]

    def _look(
        self, source: Tracked, known: Mapping[str, str] | None = None
    ) -> tuple[list[Finding], dict[str, str]]:
        """What the reader finds, and what is remembered of it."""
        reader = self.reader()
        listing = SourceListing(source, listed(source), known or {}, reader)
        return reader.find(listing), listing.remembered

    def test_layout_can_be_shown(self) -> None:
        """Where clips must lie is said in one line, for an error."""
        layout = self.record.layout
        assert layout.strip(), f"{self.record.name}: layout is empty; say how clips must lie"
        assert "\n" not in layout, f"{self.record.name}: layout has more than one line"

    def test_finds_its_clips_and_nothing_else(self) -> None:
        """The clips of the source are found, twice alike; an object of another kind is left alone,
        and in a source without objects there is nothing."""
        source = Tracked({**self.files(3), DECOY: b"read me"})
        found = self._find(source)
        clips = [one for one in found if isinstance(one, FoundClip)]
        patients = {clip.patient for clip in clips}
        assert len(patients) >= 2, f"clips of {len(patients)} patients found, expected 2 or more"
        keys = {clip.clip.key for clip in clips}
        assert len(keys) == len(clips), "two clips are the same object"
        named = {s.key for c in clips for s in (c.clip, c.scores, c.mask, *c.others.values()) if s}
        named |= {one.stat.key for one in found if not isinstance(one, FoundClip)}
        assert DECOY not in named, "find yields an object that is none of its clips"
        assert self._find(source) == found, "another look at the same source finds something else"
        assert self._find(Tracked({})) == [], "find yields something for a source without objects"

    def test_a_second_look_opens_nothing(self) -> None:
        """What find reads of an object's content is read through ``listing.head``: once."""
        source = Tracked(self.files(3))
        _, remembered = self._look(source)
        assert source.all_closed(), "find leaves an object open"
        source.opened.clear()
        self._find(source, remembered)
        assert not source.opened, "find opens objects that it knows: read them by listing.head"

    def test_frames_have_the_promised_shape(self) -> None:
        """Batches are uint8 of the declared size, and as many frames as declared."""
        for objects in self.clips(Tracked(self.files(5))):
            with self.reader().open(objects) as clip:
                batches = [batch.copy() for batch in clip.frames()]
                for batch in batches:
                    _check_batch(batch, clip)
                frames = sum(map(len, batches))
                assert frames == clip.count, f"{frames} frames, {clip.count} declared"
                assert clip.count == 5, f"{clip.count} frames declared, files() wrote 5"

    def test_batches_are_the_callers_own(self) -> None:
        """A batch that is kept stays what it was when the next ones are read."""
        for objects in self.clips(Tracked(self.files(5))):
            with self.reader().open(objects) as clip:
                kept, copies = [], []
                for batch in clip.frames():
                    kept.append(batch)
                    copies.append(batch.copy())
                same = all(map(np.array_equal, kept, copies))
                assert same, "a batch changed after the next was read: it shares a reused buffer"

    def test_every_pass_gives_the_same_frames(self) -> None:
        """A second pass, and two passes side by side, give what the first gave."""
        for objects in self.clips(Tracked(self.files(5))):
            with self.reader().open(objects) as clip:
                first = _frames(clip)
                assert np.array_equal(first, _frames(clip)), "a second pass gives other frames"
                pairs = zip(_each(clip), _each(clip), strict=True)
                assert all(np.array_equal(a, b) for a, b in pairs), "overlapping passes disturb"
            with self.reader().open(objects) as clip:
                assert np.array_equal(first, _frames(clip)), "opened again, it gives other frames"

    def test_scores_fit_the_frames(self) -> None:
        """There is a score for each frame, or one for the clip, each of 0..3 or -1."""
        for objects in self.clips(Tracked(self.files(5))):
            with self.reader().open(objects) as clip:
                scores = clip.scores()
                several = [scores] * clip.count if isinstance(scores, int) else list(scores)
                assert len(several) == clip.count, (
                    f"{len(several)} scores for {clip.count} frames, expected one a frame"
                )
                strange = set(several) - {*SCORES, UNLABELLED}
                assert not strange, f"scores {strange}, expected {SCORES} or {UNLABELLED}"

    def test_everything_is_closed_afterwards(self) -> None:
        """No object stays open: read to the end, left midway, or after an error outside."""
        source = Tracked(self.files(5))
        for objects in self.clips(source):
            with self.reader().open(objects) as clip:
                _frames(clip)
                clip.scores()
            assert source.all_closed(), "an object is open after the clip was closed"
            with self.reader().open(objects) as clip:
                next(iter(clip.frames()))
            assert source.all_closed(), "an object is open after a clip was left midway"
            try:
                with self.reader().open(objects):
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass
            assert source.all_closed(), "an object is open after an error"

    def test_memory_does_not_grow_with_the_clip(self) -> None:
        """Reading a long clip takes hardly more memory than reading a short one."""
        short = self.clips(Tracked(self.files(8)))[0]
        with self.reader().open(short) as clip:
            more = -(-LONG_BYTES // (clip.height * clip.width))
            extra = more * clip.height * clip.width
        long = self.clips(Tracked(self.files(8 + more)))[0]
        few, many = self._peak(short), self._peak(long)
        grown = (many - few) / 1e6
        assert many - few < extra / 2, (
            f"{more} more frames ({extra / 1e6:.1f} MB) take {grown:.1f} MB more memory: the clip "
            "is held as a whole; give a few frames at a time"
        )

    def test_damage_is_told_without_names(self) -> None:
        """What is wrong with a file is a ClipError, or a Refused, whose text names no patient."""
        files = dict(self.files(5))
        for key, data in files.items():
            for damaged in _damaged(data):
                source = Tracked({**files, key: damaged})
                self._read_all(source, whole=bool(damaged))
            self._read_all(Tracked({k: v for k, v in files.items() if k != key}), whole=True)

    def _peak(self, objects: FilesOfClip) -> int:
        """Most memory that was held while a clip was read, bytes."""
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        try:
            with self.reader().open(objects) as clip:
                for _ in clip.frames():  # imports and caches
                    pass
                tracemalloc.reset_peak()
                before, _ = tracemalloc.get_traced_memory()
                for _ in clip.frames():
                    pass
                return tracemalloc.get_traced_memory()[1] - before
        finally:
            if not tracing:
                tracemalloc.stop()

    def _read_all(self, source: Tracked, *, whole: bool) -> None:
        """Find and read every clip; an empty object (not ``whole``) must be noticed."""
        try:
            found = self._find(source)
        except Exception as error:
            raise AssertionError(f"find fails on a damaged object: {error!r}") from error
        codes = {c for one in found if isinstance(one, FoundClip) for c in (one.patient, one.exam)}
        codes |= {c for one in found if isinstance(one, Refused) for c in (one.patient, one.exam)}
        told = [one.reason for one in found if isinstance(one, Refused)]
        clips = self.clips(source)
        for objects in clips:
            try:
                with self.reader().open(objects) as clip:
                    _frames(clip)
                    clip.scores()
                empty = any(not o.size for o in objects.files.objects.values())
                assert whole or not empty, "an empty object is read as a whole clip"
            except ClipError as error:
                told.append(str(error))
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"damage is {error!r}, expected a ClipError") from error
        for text in told:
            named = [code for code in codes if len(code) > 3 and code in text]
            assert not named, f"a reason names {named[0]!r}: {text}"


class Tracked:
    """A source in memory that remembers what was opened."""

    uri = "memory"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self.opened: list[BinaryIO] = []

    def objects(self) -> Iterator[SourceStat]:
        """See ExamSource."""
        for key, data in self._files.items():
            yield SourceStat(key, len(data), f"{len(data)}-{hash(data)}")

    def open(self, key: str) -> BinaryIO:
        """See ExamSource."""
        file = io.BytesIO(self._files[key])
        self.opened.append(file)
        return file

    def all_closed(self) -> bool:
        """Whether nothing that was opened is open now."""
        return all(file.closed for file in self.opened)


def _damaged(data: bytes) -> Iterator[bytes]:
    """An object cut short, emptied, and filled with something else."""
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield np.random.default_rng(len(data)).bytes(len(data))
    yield b"patient,score\n" * 20


def _frames(clip: Clip) -> NDArray[np.uint8]:
    """All frames of a clip, (N, H, W) or (N, H, W, 3)."""
    return np.concatenate([batch.copy() for batch in clip.frames()])


def _each(clip: Clip) -> Iterator[NDArray[np.uint8]]:
    for batch in clip.frames():
        yield from batch


def _check_batch(batch: Any, clip: Clip) -> None:
    """Raise AssertionError for what is no batch of that clip."""
    size = (clip.height, clip.width)
    assert isinstance(batch, np.ndarray), f"a batch is {type(batch).__name__}, expected an array"
    assert batch.dtype == np.uint8, f"a batch is {batch.dtype}, expected uint8"
    fits = batch.ndim in (3, 4) and batch.shape[1:3] == size and batch.shape[3:] in ((), (3,))
    assert fits, f"a batch is {batch.shape}, expected (n, {size[0]}, {size[1]}[, 3])"
