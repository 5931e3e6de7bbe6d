"""The options of extractors whose weights are a file of the user's."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Options, check_weights


class FileOptions(Options):
    """Which file of weights to load."""

    file: str = Field("", description="Path of a safetensors file with the network's weights")
    sha256: str = Field(
        "",
        pattern=r"^([0-9a-fA-F]{64})?$",
        description="Digest of that file, 64 hex digits, as its publisher states it",
    )


def check(options: FileOptions) -> None:
    """Check that the file is there, and has the digest; raises ConfigError if not."""
    check_weights(options.file, options.sha256)
