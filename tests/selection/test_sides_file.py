"""A user's file of sides or folds decides who is held out, by its content."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lusgan_core.calls.call import data_of
from lusgan_core.errors import ConfigError, LusganError
from lusgan_core.selection import stage
from lusgan_core.selection.sides_file import read_sides
from lusgan_core.selection.splits import held_out_patients
from lusgan_core.selection.stage import ScoreDataset, SelectionOptions
from tiny_runs import Pipeline, tiny_config, write_exams

TABLE = (
    "Patient , side,fold\nP1,training,0\n P2 ,Held-out,1\nP3,test,0\nP4,train,1\n\nP1,training,0\n"
)


def a_file(folder: Path, text: str, name: str = "sides.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_sides_and_folds_are_read(tmp_path: Path) -> None:
    """Words for the sides, and the fold that is asked for; spaces and repeated lines do no harm."""
    path = a_file(tmp_path, TABLE)
    assert read_sides(path) == {"P1": False, "P2": True, "P3": True, "P4": False}
    assert read_sides(path, 1) == {"P1": False, "P2": True, "P3": False, "P4": True}


@pytest.mark.parametrize(
    ("text", "fold", "reason"),
    [
        (
            "SECRET,held_out\nSECRET,training",
            None,
            "lacks the columns patient and side: its first line must name them",
        ),
        ("patient,fold\nSECRET,1", None, "name the fold to hold out, e.g. --set selection.fold=0"),
        ("patient,side\nSECRET,left", None, "line 2: a side is training or held_out"),
        ("patient,fold\nSECRET,1\nSECRET,one", 1, "line 3: a fold is a whole number"),
        ("patient,side\nSECRET,train\nSECRET,test", None, "line 3: an earlier line says something"),
        ("patient,side\n,train", None, "line 2: no patient"),
        ("patient,fold\nSECRET,1", 0, "no patient is in fold 0"),
        ("patient,side\n", None, "names no patient"),
        ("patient,side\nSECRET\n", None, "line 2: a side is"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, fold: int | None, reason: str) -> None:
    """The line and what was expected, and no patient."""
    with pytest.raises(ConfigError, match=reason) as caught:
        read_sides(a_file(tmp_path, text), fold)
    assert "SECRET" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """So is one that is no text."""
    with pytest.raises(ConfigError, match=r"selection\.sides: .*gone\.csv: No such file"):
        read_sides(tmp_path / "gone.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ConfigError, match="no CSV file in UTF-8"):
        read_sides(tmp_path / "x.csv")


def test_who_is_not_named_keeps_the_side_of_the_hash() -> None:
    """The file moves those alone whom it names, and may hold nobody out at all."""
    codes = [f"P{number}" for number in range(60)]
    by_hash = held_out_patients(codes, 0.2, 9)
    told = {"P0": True, "P1": False, "elsewhere": True}
    assert held_out_patients(codes, 0.2, 9, told) == (by_hash | {"P0"}) - {"P1"}
    assert held_out_patients(codes[:3], 0.0, 9, dict.fromkeys(codes, False)) == frozenset()


def test_the_content_of_the_file_is_in_the_key(tmp_path: Path) -> None:
    """The same sides from another path are the same call; another side, or fold, another; without a
    file the key is that of earlier releases, whose options had neither."""

    def key(**options: object) -> str:
        return stage.call([], 0, SelectionOptions.model_validate(options)).cache_key

    one, copy = a_file(tmp_path, TABLE), a_file(tmp_path, TABLE + "\n", "copy.csv")
    other = a_file(tmp_path, TABLE.replace("P4,train", "P4,test"), "other.csv")
    assert key(sides=str(one)) == key(sides=str(copy))
    keys = [key(), key(sides=str(one)), key(sides=str(one), fold=0), key(sides=str(other))]
    assert len(set(keys)) == 4
    assert set(stage.call([], 0, SelectionOptions()).unkeyed) == {"sides", "fold"}


def test_a_run_follows_the_file(tmp_path: Path) -> None:
    """Patients are on the sides that it names; one that names none of the patients is refused."""
    exams = write_exams(tmp_path / "exams", patients=4, mask_share=0.0)
    pipeline, codes = Pipeline(exams, tmp_path / "store"), ["9001", "9002", "9003", "9004"]
    text = "\n".join(f"{code},{number % 2}" for number, code in enumerate(codes))
    path = a_file(tmp_path, f"patient,fold\n{text}\n")

    def run(*settings: str) -> list[ScoreDataset]:
        done = pipeline.run(tiny_config(*settings), until="select")
        return [data_of(made["select"], ScoreDataset) for made in done.scores.values()]

    for fold in (0, 1):
        found = run(f"selection.sides={path}", f"selection.fold={fold}")
        held_out = {clip.patient for one in found for clip in one.held_out}
        training = {clip.patient for one in found for clip in one.training}
        assert held_out == set(codes[fold::2])
        assert training == set(codes) - held_out
    other = a_file(tmp_path, "patient,side\nX,test", "other.csv")
    with pytest.raises(LusganError, match="names none of the 4 patients"):
        run(f"selection.sides={other}")


def test_a_fold_needs_a_file() -> None:
    """Said when options are resolved, and not hours later."""
    with pytest.raises(ValidationError, match=r"name one by selection\.sides"):
        SelectionOptions(fold=1)
