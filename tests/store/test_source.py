import os
import socket
from pathlib import Path

import pytest

from lusgan_core.errors import ConfigError, ExamError
from lusgan_core.store.source import FolderSource, SourceStat, open_source


def listing(folder: Path) -> dict[str, SourceStat]:
    return {stat.key: stat for stat in FolderSource(folder).objects()}


def write(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_every_file_is_listed_and_opens(tmp_path: Path) -> None:
    """Keys are relative, sizes right, and open() gives a seekable file with the content."""
    write(tmp_path / "a.csv", b"12345")
    write(tmp_path / "P" / "E" / "clip.mat", b"abc")
    stats = listing(tmp_path)
    assert {key: stat.size for key, stat in stats.items()} == {"a.csv": 5, "P/E/clip.mat": 3}
    with FolderSource(tmp_path).open("P/E/clip.mat") as file:
        assert file.seekable()
        assert file.read() == b"abc"


def test_the_stamp_changes_with_the_file(tmp_path: Path) -> None:
    """A file that was written again has another stamp."""
    path = write(tmp_path / "a")
    before = listing(tmp_path)["a"].stamp
    os.utime(path, ns=(1, 1))
    assert listing(tmp_path)["a"].stamp not in ("", before)


def test_symbolic_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """Linked folders are listed, loops end, and a link to nothing is reported."""
    write(tmp_path / "kept" / "P" / "E" / "clip.mat")
    root = tmp_path / "root"
    root.mkdir()
    (root / "P").symlink_to(tmp_path / "kept" / "P")
    (tmp_path / "kept" / "P" / "loop").symlink_to(tmp_path / "kept" / "P")
    (root / "self").symlink_to(root)
    (root / "knot").symlink_to(root / "knot")
    (root / "gone").symlink_to(tmp_path / "nowhere")
    stats = listing(root)
    assert sorted(stats) == ["P/E/clip.mat", "gone", "knot"]
    assert "No such file" in stats["gone"].error
    assert "symbolic links" in stats["knot"].error


def test_links_that_fan_out_come_to_an_end(tmp_path: Path) -> None:
    """Thirty folders, each linked twice from the last, make 2^30 paths: the depth is limited."""
    for i in range(30):
        (tmp_path / f"f{i}").mkdir()
        for name in ("a", "b"):
            (tmp_path / f"f{i}" / name).symlink_to(tmp_path / f"f{i + 1}")
    (tmp_path / "f30").mkdir()
    assert len(list(FolderSource(tmp_path / "f0").objects())) == 0


def test_pipes_and_sockets_are_reported_unopened(tmp_path: Path) -> None:
    """What is no regular file is named as such; opening a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe.mat")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.close()
    assert {s.error for s in listing(tmp_path).values()} == {"cannot be read: not a regular file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders_are_reported(tmp_path: Path) -> None:
    """A folder without permission is one entry with an error, and the others go on."""
    write(tmp_path / "ok")
    (tmp_path / "shut").mkdir(mode=0)
    stats = listing(tmp_path)
    assert set(stats) == {"ok", "shut/"}
    assert "Permission denied" in stats["shut/"].error


def test_a_missing_source_is_told(tmp_path: Path) -> None:
    """A path that is missing, or is a file, is an ExamError when it is listed, not before."""
    with pytest.raises(ExamError, match="cannot be read: No such file"):
        list(open_source(tmp_path / "nowhere").objects())
    with pytest.raises(ExamError, match="not a folder"):
        list(open_source(write(tmp_path / "file")).objects())


def test_keys_stay_inside(tmp_path: Path) -> None:
    """A key with .. or an absolute one opens nothing outside of the folder."""
    write(tmp_path / "secret")
    (tmp_path / "exams").mkdir()
    for key in ("../secret", str(tmp_path / "secret")):
        with pytest.raises(OSError, match="leaves"):
            FolderSource(tmp_path / "exams").open(key)


def test_uris(tmp_path: Path) -> None:
    """Paths, file:// addresses and a source's own uri open the same folder; others are refused."""
    write(tmp_path / "a b")
    uri = open_source(tmp_path).uri
    for name in (str(tmp_path), tmp_path.as_uri(), uri):
        assert open_source(name).uri == uri
    assert open_source("s3://bucket/exams").uri == "s3://bucket/exams"
    with pytest.raises(ConfigError, match="gs://"):
        open_source("gs://bucket/exams")
