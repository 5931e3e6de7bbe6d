"""Several readers on one source: who finds what, who opens it, and what happens when one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pytest
from pydantic import Field

from lusgan_core.api import Clip, FoundClip, Options, Reader, Refused
from lusgan_core.domain import ClipFiles
from lusgan_core.errors import ClipError, ConfigError, ExamError, PluginError, UnknownPluginError
from lusgan_core.ingestion import stage as ingestion
from lusgan_core.ingestion.clip import ClipReader, colour_gap, open_clip, verify_clip
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.ingestion.inspect import inspect_exam
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.ingestion.stage import IngestionOptions
from matfiles import MemorySource, cine, matrix, v5
from small_readers import BY_HEAD, RAW, SIDE, open_raw, raw, registry

MAT_FILES = {
    "P1/E1/convex_P1_E1_3.mat": v5(matrix(cine())),
    "P1/E1/convex_P1_E1_3_score.mat": v5(matrix(np.ones((3, 5)))),
}
TREE = {**MAT_FILES, "P1/E1/2_apex.raw": raw(4), "Q7/E1/0_base.raw": raw(3), "Q7/E1/x.avi": b"-"}


class Counting(MemorySource):
    """A source that remembers what was opened."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.opened: list[str] = []

    def open(self, key: str) -> BinaryIO:
        self.opened.append(key)
        return super().open(key)


def look(files: dict[str, bytes], *readers: Reader, **options: Any) -> Discovery:
    return discover(
        MemorySource(files), readers=choose_readers(None, registry(*readers)), **options
    )


def raw_clip(reader: Reader, data: bytes = raw(4)) -> tuple[MemorySource, ClipFiles, Any]:
    """Return a source with one clip of a reader like ``raw``, the clip and the reader."""
    source = MemorySource({"SECRET/E1/2_apex.raw": data})
    readers = choose_readers(None, registry(reader))
    (exam,) = discover(source, readers=readers).exams
    return source, exam.clips[0], readers


def test_readers_share_a_source_and_even_an_exam() -> None:
    """Each clip has the reader that found it; files of none are ignored."""
    found = look(TREE, RAW)
    assert [exam.codes for exam in found.exams] == [("P1", "E1"), ("Q7", "E1")]
    first, second = found.exams
    assert [(c.reader, c.name, c.area) for c in first.clips] == [
        ("raw", "2_apex", 0), ("mat", "convex_P1_E1_3", 3)
    ]  # fmt: skip
    assert (first.readers, second.readers) == (("mat", "raw"), ("raw",))
    assert found.rejected == ()
    assert found.readers == ("mat", "raw")


def test_frames_and_scores_of_both_are_read() -> None:
    """A score for the whole clip labels each of its frames; scores of a matrix stay as they are."""
    source, readers = MemorySource(TREE), choose_readers(None, registry(RAW))
    exam = discover(source, readers=readers).exams[0]
    record = inspect_exam(source, exam, readers)
    assert record.rejected == ()
    assert [clip.scores for clip in record.clips] == [(2,) * 4, (3,) * 5]
    with open_clip(source, exam.clips[0], readers) as clip:
        assert [int(frame.max()) for frame in clip.frames()] == [1, 2, 3, 4]


def test_a_reader_alone_is_asked_where_options_name_it() -> None:
    """What other readers would find is not there, and an unknown name lists the choices."""
    readers = choose_readers({"raw": {}}, registry(RAW))
    found = discover(MemorySource(TREE), readers=readers)
    assert [c.reader for exam in found.exams for c in exam.clips] == ["raw", "raw"]
    assert found.readers == ("raw",)
    with pytest.raises(UnknownPluginError, match=r"unknown reader 'row'; did you mean 'raw'"):
        choose_readers({"row": {}}, registry(RAW))


def test_a_source_without_exams_says_what_each_reader_expects() -> None:
    """Somebody who named the wrong folder sees every layout that would be right."""
    with pytest.raises(ExamError, match=r"PATIENT/EXAM/convex_.*, or clips at .*NAME\.raw; name"):
        look({"a.txt": b""}, RAW)


def test_two_readers_of_the_same_files_are_an_error_that_names_both() -> None:
    """It says how many files of which kind, which plugins, and how to choose; no patient."""
    with pytest.raises(ConfigError) as caught:
        look(TREE, RAW, replace(RAW, name="raw2"))
    text = str(caught.value)
    assert "the same 2 files (*.raw)" in text
    assert "raw of small_readers (lusgan-raw 1.0)" in text
    assert "raw2 of small_readers (lusgan-raw2 1.0)" in text
    assert "--set ingestion.readers.raw={}" in text
    assert "Q7" not in text


def test_what_one_reader_refuses_another_may_read() -> None:
    """``mat`` refuses .mat files of other names in an exam, unless they are another's clips."""
    files = {**MAT_FILES, "P1/E1/linear_1.mat": raw(2)}
    assert [r.file for r in look(files).exams[0].rejected] == ["P1/E1/linear_1.mat"]

    def find(listing: Any) -> Iterator[FoundClip]:
        for stat in listing.objects:
            if stat.name.startswith("linear"):
                yield FoundClip("P1", "E1", stat, facts={"score": 1})

    (exam,) = look(files, replace(RAW, find=find)).exams
    assert exam.rejected == ()
    assert {c.reader for c in exam.clips} == {"mat", "raw"}


def test_what_two_readers_refuse_is_told_once() -> None:
    """By the one that knows which exam it is in."""

    def find(listing: Any) -> Iterator[Refused]:
        for stat in listing.objects:
            if stat.name.startswith("linear"):
                yield Refused(stat, "of no format")

    found = look({**MAT_FILES, "P1/E1/linear_1.mat": b"x"}, replace(RAW, name="a", find=find))
    assert found.rejected == ()
    (told,) = found.exams[0].rejected
    assert told.file == "P1/E1/linear_1.mat"
    assert told.reason != "of no format"


def test_a_reader_that_fails_is_told_and_the_others_go_on() -> None:
    """The plugin and the place are named, but no text of its error; nothing counts as withdrawn."""

    def fail(listing: Any) -> Iterator[FoundClip]:
        yield from ()
        raise KeyError(listing.objects[0].key)

    found = look(TREE, replace(RAW, find=fail))
    assert [exam.codes for exam in found.exams] == [("P1", "E1")]
    (told,) = found.rejected
    assert told.file == ""
    assert "reader raw of small_readers (lusgan-raw 1.0) failed" in told.reason
    assert "KeyError at test_several_readers.py:" in told.reason
    assert "P1" not in told.reason
    assert found.readers == ("mat",)


def test_a_reader_that_leaves_the_process_is_one_that_fails() -> None:
    """While it looks for clips, and while it opens one, which is rejected."""

    def leave(_: object) -> Any:
        raise SystemExit(3)

    assert look(TREE, replace(RAW, find=leave)).readers == ("mat",)
    source, files, readers = raw_clip(replace(RAW, open=leave))
    with pytest.raises(ClipError, match=r"reader raw .*failed: SystemExit"):
        open_clip(source, files, readers)


def test_a_named_reader_that_fails_ends_the_look() -> None:
    """Who asks for a reader by name gets its exams, or an error with its name."""
    broken = replace(RAW, find=lambda listing: 1 / 0)
    readers = choose_readers({"raw": {}, "mat": {}}, registry(broken))
    with pytest.raises(PluginError, match=r"reader raw .*ZeroDivisionError"):
        discover(MemorySource(TREE), readers=readers)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda clip: clip.clip, "yields SourceStat, expected FoundClip"),
        (lambda clip: replace(clip, clip=replace(clip.clip, key="y")), "not in the listing"),
        (lambda clip: replace(clip, patient=""), "without the codes"),
        (lambda clip: replace(clip, facts={"x": {1, 2}}), "no JSON"),
        (lambda clip: replace(clip, others={"mask": clip.clip}), "are fields"),
    ],
)
def test_what_is_no_finding_is_the_readers_fault(
    change: Callable[[FoundClip], Any], what: str
) -> None:
    """Each breach of the contract is told in words, with the name of the plugin."""

    def find(listing: Any) -> Iterator[Any]:
        yield from (change(clip) for clip in RAW.find(listing))

    (told,) = look(TREE, replace(RAW, find=find)).rejected
    assert what in told.reason
    assert "lusgan-raw 1.0" in told.reason


# --- heads, and one table for many clips ----------------------------------------------------------

HEADED = {
    "IM1": b"Anna first\n" + raw(1)[11:],
    "IM2": b"Anna first\n" + raw(1, 9)[11:],
    "IM3": b"Bert second\n" + raw(1)[12:],
    "IM4": b"nothing in here\n",
    "labels.csv": b"IM1,1\nIM2,2\nIM3,3",
}


def headed(
    files: dict[str, bytes], known: dict[str, str] | None = None, reader: Reader = BY_HEAD
) -> Any:
    source = Counting(files)
    found = discover(source, known, readers=choose_readers(None, registry(reader)))
    return found, source.opened


def test_codes_may_come_from_the_content() -> None:
    """Patient and exam are what the heads of files say, and one table holds the scores of all."""
    found, _ = headed(HEADED)
    assert [(e.codes, [c.clip.key for c in e.clips]) for e in found.exams] == [
        (("Anna", "first"), ["IM1", "IM2"]),
        (("Bert", "second"), ["IM3"]),
    ]
    assert [c.facts["score"] for e in found.exams for c in e.clips] == [1, 2, 3]
    assert [(r.file, r.reason) for r in found.rejected] == [
        ("IM4", "its first line names no patient and exam")
    ]


def test_heads_are_read_once() -> None:
    """The second look opens nothing but what is new or was refused, and finds the same."""
    first, opened = headed(HEADED)
    assert sorted(set(opened)) == sorted(HEADED)
    again, opened = headed({**HEADED, "IM5": b"Bert second\n"}, first.digests)
    assert set(opened) == {"IM4", "IM5"}
    assert again.exams[0] == first.exams[0]
    again, opened = headed(HEADED, first.digests)
    assert (again.exams, again.digests) == (first.exams, first.digests)


def test_another_version_of_a_reader_reads_heads_anew() -> None:
    """What an older version made of them is not taken for its own; digests of files still are."""
    first, _ = headed(HEADED)
    again, opened = headed(HEADED, first.digests, replace(BY_HEAD, version="2"))
    assert sorted(opened) == sorted(HEADED)
    assert again.exams == first.exams


def test_a_row_of_the_table_changes_its_own_exam_alone() -> None:
    """What a reader noted counts in the digest; the table itself, which all share, does not."""
    before, _ = headed(HEADED)
    after, _ = headed({**HEADED, "labels.csv": b"IM1,1\nIM2,2\nIM3,0"})
    assert before.exams[0] == after.exams[0]
    assert before.exams[1].digest != after.exams[1].digest


# --- keys -----------------------------------------------------------------------------------------


class Bright(Options):
    """Options of a reader."""

    gain: int = Field(1, ge=1, le=9, description="Factor of every level")


def with_gain(listing: Any, options: Bright) -> Iterator[FoundClip]:
    yield from (one for one in RAW.find(listing) if isinstance(one, FoundClip))


@contextmanager
def open_with_gain(objects: Any, options: Bright) -> Iterator[Clip]:
    with open_raw(objects) as clip:
        yield replace(clip, frames=lambda: (b * np.uint8(options.gain) for b in clip.frames()))


GAIN = replace(RAW, find=with_gain, open=open_with_gain, options=Bright)


def test_options_reach_both_functions() -> None:
    """A reader with an options model gets them when it finds and when it opens."""
    source, known = MemorySource(TREE), registry(GAIN)
    readers = choose_readers({"raw": {"gain": 3}}, known)
    exam = discover(source, readers=readers).exams[0]
    with open_clip(source, exam.clips[0], readers) as clip:
        assert [int(frame.max()) for frame in clip.frames()] == [3, 6, 9, 12]


@pytest.mark.parametrize("given", [{"gain": 10}, {"gian": 2}, 3])
def test_options_that_a_reader_refuses_are_told(given: Any) -> None:
    """The text says which option of which reader."""
    with pytest.raises(ConfigError, match=r"option ingestion\.readers\.raw"):
        choose_readers({"raw": given}, registry(GAIN))


def test_the_key_holds_the_exams_own_readers() -> None:
    """Another option or version of a reader makes its exams anew, and no others."""
    known, newer = registry(GAIN), registry(replace(GAIN, version="2"))
    mat, both = (look(files, GAIN).exams[0] for files in (MAT_FILES, TREE))

    def key(exam: Any, gain: int = 1, plugins: Any = known) -> str:
        chosen = IngestionOptions(readers={"mat": {}, "raw": {"gain": gain}})
        return ingestion.call(exam, 1, chosen, plugins).cache_key

    assert len({key(both), key(both, 2), key(both, 1, newer)}) == 3
    assert key(mat) == key(mat, 2) == key(mat, 1, newer)
    assert key(both) == ingestion.call(both, 1, None, known).cache_key


# --- what goes wrong inside a reader --------------------------------------------------------------


def frames_of(*batches: Any) -> Reader:
    """Return a reader like ``raw`` that gives these batches."""

    @contextmanager
    def opened(objects: Any) -> Iterator[Clip]:
        with open_raw(objects) as clip:
            yield replace(clip, frames=lambda: iter(batches))

    return replace(RAW, open=opened)


BATCH = np.zeros((4, SIDE, SIDE), np.uint8)
COLOUR = np.zeros((4, SIDE, SIDE, 3), np.uint8)
COLOUR[2, 5, 5] = (100, 105, 103)
DOPPLER = COLOUR.copy()
DOPPLER[3, 7, 7, 0] = 90


@pytest.mark.parametrize(
    ("reader", "reason"),
    [
        (frames_of(BATCH.astype(float)), "gave frames of .* float64, expected batches"),
        (frames_of(BATCH[:, :-1]), r"gave frames of \(4, 19, 20\)"),
        (frames_of(BATCH[0]), r"gave frames of \(20, 20\)"),
        (frames_of("x"), "gave frames of str"),
        (frames_of(BATCH[:3]), "3 frames read, 4 declared"),
        (frames_of(BATCH, BATCH), "more than the 4 frames declared"),
        (frames_of(DOPPLER), "channels of frame 4 differ by up to 90 grey levels"),
    ],
)
def test_frames_that_break_the_contract_reject_the_clip(reader: Reader, reason: str) -> None:
    """Wrong types, shapes, numbers and colours end in a reason."""
    with pytest.raises(ClipError, match=reason):
        verify_clip(*raw_clip(reader))


def test_colours_that_a_codec_rounded_are_grey() -> None:
    """Channels a few levels apart become their mean."""
    with open_clip(*raw_clip(frames_of(COLOUR))) as clip:
        frames = list(clip.frames())
    assert frames[2][5, 5] == 103
    assert frames[0].shape == (SIDE, SIDE)


def test_a_small_mark_and_what_lies_outside_of_the_picture_are_no_overlay() -> None:
    """A coloured dot beside the fan and the scanner's buttons do not reject a clip; a line across
    the picture does, and so does a tint."""
    grey = np.full((100, 100, 3), 60, np.uint8)
    dot, line = grey.copy(), grey.copy()
    dot[2:5, 2:5, 0] = 250
    line[50, :, 1] = 255
    picture = np.ones((100, 100), bool)
    assert colour_gap(dot) == (190, 9e-4)
    assert colour_gap(line) == (195, 0.01)
    assert colour_gap(line, picture) == (195, 0.01)
    picture[45:] = False
    assert colour_gap(line, picture) == (0, 0.0)
    for frame, reason in (
        (dot, ""),
        (line, "colour overlay"),
        (grey + np.array([20, 8, 0]), "tinted"),
    ):
        frames = np.stack([frame.astype(np.uint8)] * 2)
        clip = Clip(100, 100, 2, lambda frames=frames: iter([frames]), lambda: 1, channels=3)
        reader = ClipReader(clip, choose_readers(None, registry(RAW))["raw"], None)
        if reason:
            with pytest.raises(ClipError, match=reason):
                list(reader.frames())
        else:
            assert next(reader.frames())[0, 0] == 60


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([1, 2], "gave 2 scores, expected one for each of 4 frames"),
        ([0, 1, 2, 4], "gave the score 4, expected scores 0 to 3"),
        (7, "gave the score 7"),
        (None, "failed: TypeError"),
    ],
)
def test_scores_that_break_the_contract_reject_the_clip(scores: Any, reason: str) -> None:
    """Too few, unknown and missing scores end in a reason, and the exam goes on."""

    @contextmanager
    def opened(objects: Any) -> Iterator[Clip]:
        with open_raw(objects) as clip:
            yield replace(clip, scores=lambda: scores)

    source, clip, readers = raw_clip(replace(RAW, open=opened))
    exam = discover(source, readers=readers).exams[0]
    record = inspect_exam(source, exam, readers)
    assert record.clips == ()
    assert reason in record.rejected[0].reason
    assert clip.reader in record.rejected[0].reason


@pytest.mark.parametrize("error", [KeyError, ZeroDivisionError, FileNotFoundError, RuntimeError])
@pytest.mark.parametrize("when", ["open", "frames"])
def test_an_error_inside_a_reader_rejects_the_clip(when: str, error: type[Exception]) -> None:
    """It names the plugin and the place, not the patient; also a file of the plugin's own that
    is missing, which is no fault of the disk with the exams."""

    def fail(*_: Any) -> Any:
        raise error(2, "SECRET/E1") if error is FileNotFoundError else error("SECRET/E1")

    @contextmanager
    def opened(objects: Any) -> Iterator[Clip]:
        if when == "open":
            fail()
        with open_raw(objects) as clip:
            yield replace(clip, frames=fail)

    with pytest.raises(ClipError, match=r"reader raw of .*lusgan-raw 1\.0\) failed: ") as caught:
        verify_clip(*raw_clip(replace(RAW, open=opened)))
    assert f"{error.__name__} at test_several_readers.py:" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_an_exam_that_vanished_is_an_outage_for_every_reader() -> None:
    """A file that was listed and is gone ends the run, whoever reads it."""
    source, clip, readers = raw_clip(RAW)
    source.files.clear()
    with pytest.raises(ExamError, match="cannot be read: No such file"):
        open_clip(source, clip, readers)


def test_a_local_copy_for_libraries_that_need_a_path() -> None:
    """A clip of a source that is no folder is a file as long as it is open, and then gone."""
    paths = []

    @contextmanager
    def opened(objects: Any) -> Iterator[Clip]:
        with objects.local_path() as path:
            paths.append(path)
            assert path.read_bytes() == raw(4)
            assert path.suffix == objects.suffix == ".raw"
            with open_raw(objects) as clip:
                yield clip

    verify_clip(*raw_clip(replace(RAW, open=opened)))
    assert not paths[0].exists()
    assert "SECRET" not in str(paths[0])


def test_clips_of_one_name_in_an_exam_are_told_apart() -> None:
    """Shards are named after clips: two of the same name in other places get numbers."""

    def find(listing: Any) -> Iterator[FoundClip]:
        for stat in listing.objects:
            yield FoundClip("P", "E", stat, facts={"score": 1})

    (exam,) = look({"a/IM1.raw": raw(1), "b/IM1.raw": raw(1)}, replace(RAW, find=find)).exams
    assert [clip.name for clip in exam.clips] == ["IM1", "IM1_2"]


def test_what_is_declared_of_all_clips_reaches_the_readers_that_have_it() -> None:
    """`ingestion.axes` is in the key of exams whose reader has such an option, and gives way to its
    own; a reader without it goes unchanged."""
    known = registry(RAW)
    found = look(TREE, RAW)
    declared = ingestion.IngestionOptions(axes="NHW", grey_range=(0, 4095))
    both, raw_alone = (ingestion.call(exam, 1, declared, known) for exam in found.exams)
    assert both.options["readers"]["mat"]["axes"] == "NHW"
    assert both.options["readers"]["mat"]["grey_range"] == [0, 4095]
    assert raw_alone.options == ingestion.call(found.exams[1], 1, None, known).options
    own = ingestion.IngestionOptions(axes="NHW", readers={"mat": {"axes": "HNW"}, "raw": {}})
    assert ingestion.call(found.exams[0], 1, own, known).options["readers"]["mat"]["axes"] == "HNW"
