"""Shards on drives that lock nothing, or give nothing: what is wrong is said, nothing condemned."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from lusgan_core.errors import DamagedError, StoreError
from lusgan_core.preprocessing.shard import BrokenShardError, read_shard_frames, write_shard
from lusgan_core.selection.dataset import clip_frames
from lusgan_core.selection.stage import ClipFrames
from lusgan_core.store import LocalStore


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "store/shards/a.h5"
    path.parent.mkdir(parents=True)
    write_shard(path, [np.full((8, 8), 7, np.uint8)], [0], attributes={})
    return path


def test_a_shard_is_read_without_a_lock(shard: Path) -> None:
    """Somebody holds a lock on the file, or the drive has none to give: it is read all the same."""
    with shard.open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert read_shard_frames(shard).shape == (1, 8, 8)


def test_what_cannot_be_read_is_not_called_damaged(shard: Path) -> None:
    """A shard that may not be read stays where it is, and the reason is the system's."""
    if os.geteuid() == 0:
        shard.unlink()
        shard.mkdir()  # root may read everything but a folder
    else:
        shard.chmod(0)
    with pytest.raises(
        StoreError, match=r"cannot be read: (Is a directory|Permission denied)"
    ) as e:
        read_shard_frames(shard)
    assert not isinstance(e.value, BrokenShardError)
    assert shard.exists()


def test_what_is_no_shard_is_set_aside(shard: Path) -> None:
    """Only content that is not what was written condemns a shard."""
    store = LocalStore(shard.parents[1])
    clip = ClipFrames(patient="p", clip="c", key="shards/a.h5", frames=1, digest="0" * 64)
    with pytest.raises(DamagedError, match=r"expected 1 frames of score 0, sha256 0{12}, found 1 "):
        clip_frames(store, clip, 0)
    assert not shard.exists()
    assert store.exists("damaged/shards/a.h5")
