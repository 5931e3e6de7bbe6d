import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from lusgan_core.errors import ExamError
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.store.source import SourceStat, open_source
from matfiles import MemorySource

TREE = {
    "P1/E1/convex_P1_E1_3.mat": b"clip 3",
    "P1/E1/convex_P1_E1_3_score.mat": b"scores 3",
    "P1/E1/convex_P1_E1_14.mat": b"clip 14",
    "P1/E1/convex_P1_E1_14_score.mat": b"scores 14",
    "P1/E2/convex_P1_E2_1.mat": b"clip",
    "P1/E2/convex_P1_E2_1_score.mat": b"scores",
    "Binary-Masks/convex_P1_E1_3_mask.png": b"mask 3",
    # decoys
    "P1/E1/convex_P1_E1_3.avi": b"video",
    "P1/E1/._convex_P1_E1_3.mat": b"left by a Mac",
    ".trash/E1/convex_P1_E1_3.mat": b"hidden",
    "SanMatteo.mat": b"ignored",
    "other.mat": b"ignored",
    "index.csv": b"ignored",
    "a/b/notes.mat": b"no exam",
    "Binary-Masks/readme.txt": b"ignored",
}


def of(files: dict[str, bytes], **options: object) -> Discovery:
    return discover(MemorySource(files), **options)


def reasons(files: dict[str, bytes]) -> dict[str, str]:
    """File -> reason of the exam that is there, with these files besides."""
    found = of({**TREE, **files})
    rejected = [r for e in found.exams for r in e.rejected] + list(found.rejected)
    return {r.file: r.reason for r in rejected}


def test_the_hospitals_layout() -> None:
    """Exams are sorted, clips have their scores and masks with digests, decoys are ignored."""
    found = of(TREE)
    assert [(e.patient, e.exam) for e in found.exams] == [("P1", "E1"), ("P1", "E2")]
    assert found.rejected == ()
    three, fourteen = found.exams[0].clips
    assert (three.area, fourteen.area, three.name) == (3, 14, "convex_P1_E1_3")
    for file in (three.clip, three.scores, three.mask):
        assert file is not None
        assert file.digest == hashlib.sha256(TREE[file.key]).hexdigest()
        assert file.size == len(TREE[file.key])
    assert fourteen.mask is None
    assert reasons({}) == {}


def test_a_tree_on_disk(tmp_path: Path) -> None:
    """A folder gives what the same tree in memory gives, whatever the order of its files."""
    for key, data in reversed(TREE.items()):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    assert discover(open_source(tmp_path)).exams == of(TREE).exams


class Counting(MemorySource):
    """A source that remembers what was opened."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.opened: list[str] = []

    def open(self, key: str) -> BinaryIO:
        self.opened.append(key)
        return super().open(key)


def test_contents_are_hashed_once() -> None:
    """With the digests of last time only what changed is read, and nothing else is remembered."""
    first = of(TREE)
    source = Counting({**TREE, "P1/E2/convex_P1_E2_1.mat": b"another"})
    second = discover(source, known={**first.digests, "gone|1|2": "0"})
    assert source.opened == ["P1/E2/convex_P1_E2_1.mat"]
    assert len(second.digests) == len(first.digests) == 7
    assert second.exams[0] == first.exams[0]
    assert second.exams[1].digest != first.exams[1].digest


@pytest.mark.parametrize(
    "key",
    [
        "P1/E1/convex_P1_E1_3.mat",
        "P1/E1/convex_P1_E1_3_score.mat",
        "Binary-Masks/convex_P1_E1_3_mask.png",
    ],
)
def test_an_exams_digest_covers_its_files(key: str) -> None:
    """Changing or removing a clip, score matrix or mask changes that exam's digest alone."""
    before, after = of(TREE), of({**TREE, key: b"changed"})
    without = of({k: v for k, v in TREE.items() if k != key})
    assert len({before.exams[0].digest, after.exams[0].digest, without.exams[0].digest}) == 3
    assert before.exams[1] == after.exams[1] == without.exams[1]


def test_progress_counts_files() -> None:
    """Progress goes up by one to the number of files, remembered ones included."""
    calls: list[tuple[int, int]] = []
    of(TREE, progress=lambda done, total: calls.append((done, total)), known=of(TREE).digests)
    assert calls == [(i, 7) for i in range(1, 8)]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("P1/E1/convex_P2_E1_4.mat", "disagrees with the folders"),
        ("P1/E1/convex_P1_E2_4.mat", "disagrees with the folders"),
        ("P1/E1/convex_P1_E1_0.mat", "no area 1 to 14"),
        ("P1/E1/convex_P1_E1_15.mat", "no area 1 to 14"),
        ("P1/E1/convex_P1_E1_.mat", "no area 1 to 14"),
        ("P1/E1/convex_P1_E1_٣.mat", "no area 1 to 14"),
        ("P1/E1/convex_P1_E1_" + "9" * 5000 + ".mat", "no area 1 to 14"),
        ("P1/E1/linear_P1_E1_4.mat", "no convex clip by its name"),
        ("P1/E1/convex_P1_E1_4.mat", "no score file"),
        ("P1/E1/convex_P1_E1_4_score.mat", "without its clip"),
        ("convex_P1_E1_4.mat", "in no exam"),
        ("P1/convex_P1_E1_4.mat", "in no exam"),
        ("P1/E1/deeper/convex_P1_E1_4.mat", "in no exam"),
    ],
)
def test_misnamed_and_misplaced_files_are_rejected(key: str, reason: str) -> None:
    """Each is named with its reason, and the exams that are there stay as they are."""
    found = reasons({key: b"x"})
    assert list(found) == [key]
    assert reason in found[key]


@pytest.mark.parametrize("name", ["convex_P1_E1_03", "Convex_P1_E1_3", "convex_p1_E1_3"])
def test_the_same_area_twice(name: str) -> None:
    """Of two spellings of one area the usual one counts and the other is rejected."""
    files = {f"P1/E1/{name}.mat": b"x", f"P1/E1/{name}_score.mat": b"y"}
    assert "second clip of area 3" in reasons(files)[f"P1/E1/{name}.mat"]
    kept = of({**TREE, **files}).exams[0].clips[0]
    assert kept.clip.key == "P1/E1/convex_P1_E1_3.mat"


def test_a_lone_unusual_spelling_is_taken() -> None:
    """Capitals and leading zeros are no reason to lose a clip, its scores or its mask."""
    found = of(
        {
            "P_1/E1/CONVEX_P_1_E1_03.MAT": b"clip",
            "P_1/E1/convex_P_1_E1_03_Score.mat": b"scores",
            "Binary-Masks/convex_P_1_E1_03_mask.PNG": b"mask",
        }
    )
    (clip,) = found.exams[0].clips
    assert clip.area == 3
    assert clip.mask is not None
    assert found.exams[0].rejected == ()


def test_odd_names_pass_through() -> None:
    """Codes with HTML, control characters or spaces are data and stay what they are."""
    code = "<b>&\x07\n é"
    found = of(
        {f"{code}/E/convex_{code}_E_1.mat": b"x", f"{code}/E/convex_{code}_E_1_score.mat": b""}
    )
    assert found.exams[0].patient == code
    assert found.exams[0].clips[0].area == 1
    found.exams[0].model_dump_json()


def test_names_that_are_no_utf8_are_rejected(tmp_path: Path) -> None:
    """Bytes that are no text are reported in a printable spelling, and the rest goes on."""
    for folder in (b"P1/E1", b"P\xff/E"):
        os.makedirs(os.path.join(os.fsencode(tmp_path), folder))
    for name in (b"P1/E1/convex_P1_E1_1.mat", b"P1/E1/convex_P1_E1_1_score.mat", b"P\xff/E/a.mat"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"x")
    found = discover(open_source(tmp_path))
    assert len(found.exams) == 1
    (rejection,) = found.rejected
    assert rejection.file == "P\ufffd/E/a.mat"
    assert "UTF-8" in rejection.reason
    rejection.model_dump_json()


class Broken(MemorySource):
    """A source of which some files cannot be opened, and some cannot even be listed."""

    shut: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def objects(self) -> Iterator[SourceStat]:
        yield SourceStat("P9/", 0, "", "the folder cannot be read: Permission denied")
        for stat in super().objects():
            failed = stat.key in self.unlisted
            yield SourceStat(stat.key, 0, "", "cannot be read: gone") if failed else stat

    def open(self, key: str) -> BinaryIO:
        if key in self.shut:
            raise PermissionError(13, "Permission denied", f"/secret/{key}")
        return super().open(key)


@pytest.mark.parametrize("how", ["shut", "unlisted"])
@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("P1/E1/convex_P1_E1_3.mat", ""),
        ("P1/E1/convex_P1_E1_3_score.mat", "score file: "),
        ("Binary-Masks/convex_P1_E1_3_mask.png", "mask: "),
    ],
)
def test_unreadable_files_reject_their_clip(key: str, what: str, how: str) -> None:
    """A file without permission costs its own clip, and unreadable folders are told."""
    source = Broken(TREE)
    setattr(source, how, (key,))
    found = discover(source)
    assert [c.area for c in found.exams[0].clips] == [14]
    (rejection,) = found.exams[0].rejected
    assert rejection.file == "P1/E1/convex_P1_E1_3.mat"
    assert rejection.reason.startswith(f"{what}cannot be read: ")
    assert (rejection.patient, rejection.exam) == ("P1", "E1")
    assert "secret" not in rejection.reason
    assert [r.file for r in found.rejected] == ["P9/"]


@pytest.mark.parametrize("files", [{}, {"a/b/notes.mat": b"x"}, {"convex_P1_E1_4.mat": b"x"}])
def test_no_exam_at_all_is_an_error(files: dict[str, bytes]) -> None:
    """A source without an exam says what a tree must look like."""
    with pytest.raises(ExamError, match="PATIENT/EXAM/convex_PATIENT_EXAM_AREA"):
        of(files)


def test_masks_that_cannot_be_read_end_the_look(tmp_path: Path) -> None:
    """Without them every clip would count as changed and be trained on unmasked."""
    for key, content in TREE.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    masks = tmp_path / "Binary-Masks"
    masks.rename(tmp_path / "elsewhere")
    assert discover(open_source(str(tmp_path))).exams
    masks.symlink_to(tmp_path / "a disk that is away")
    with pytest.raises(ExamError, match="without their masks: repair it, or remove it"):
        discover(open_source(str(tmp_path)))
