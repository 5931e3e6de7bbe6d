"""How stages are run, as opposed to what they compute: device, threads, processes."""

from __future__ import annotations

from pydantic import Field, field_validator

from lusgan_core.api import Options


def torch_name(text: str) -> str:
    """PyTorch's name of a device; ``gpu`` and ``gpu:1`` are CUDA's."""
    kind, colon, number = text.strip().lower().partition(":")
    return f"{'cuda' if kind == 'gpu' else kind}{colon}{number}"


class Runtime(Options):
    """How to run, as opposed to what to compute: none of these is in a cache key.

    Results differ by rounding alone, with one exception: several processes draw different random
    numbers inside the networks (dropout, noise layers, gp), and on the CPU each takes the batch
    statistics of its own part of a batch.
    """

    device: str = Field(
        "auto", description="`cpu`, `cuda`, `cuda:1` ...; `auto` takes a GPU if any"
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; empty: PyTorch's own choice")
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that train one score together, each with a part of every batch: "
        "one a GPU; on the CPU they share it",
    )
    checkpoint_s: float = Field(
        20.0, gt=0, description="Seconds between checkpoints, which a killed training resumes from"
    )
    repair: bool = Field(
        False,
        description="Train again a finished model whose weights are damaged where no whole "
        "checkpoint is left to rebuild them from",
    )

    @field_validator("device")
    @classmethod
    def _as_pytorch_calls_it(cls, device: str) -> str:
        return torch_name(device)
