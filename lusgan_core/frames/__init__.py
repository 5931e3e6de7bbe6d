"""Frames: from a scanner's screen to the square images in shards, and which of them train what."""

from lusgan_core.frames.fan import fan_mask, find_region, fit_fan, transform_fan
from lusgan_core.frames.geometry import Affine, Canvas
from lusgan_core.frames.preprocess import PreprocessedClip, PreprocessOptions, preprocess_clip
from lusgan_core.frames.shard import (
    ShardInfo,
    ShardSummary,
    read_shard_frames,
    read_shard_info,
    write_shard,
)

__all__ = [
    "Affine",
    "Canvas",
    "PreprocessOptions",
    "PreprocessedClip",
    "ShardInfo",
    "ShardSummary",
    "fan_mask",
    "find_region",
    "fit_fan",
    "preprocess_clip",
    "read_shard_frames",
    "read_shard_info",
    "transform_fan",
    "write_shard",
]
