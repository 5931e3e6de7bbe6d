"""Weights as safetensors files: no pickles, so a file from a stranger can do no harm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn

from lusgan_core.errors import TrainingError

HEADER = "lusgan"
"""The one metadata key: several would be written in no fixed order, and bytes would differ."""


def to_bytes(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> bytes:
    """A safetensors file; equal content gives equal bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, {HEADER: json.dumps(header, sort_keys=True)})


def from_bytes(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file that ``to_bytes`` made. Raises TrainingError for any other."""
    try:
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        return load(data), json.loads(metadata[HEADER])
    except Exception as error:  # the library raises its own and several standard kinds
        raise TrainingError(
            f"a model file is damaged or not lusgan's ({error}); delete it and train again"
        ) from error


def network_bytes(network: nn.Module, header: Mapping[str, Any]) -> bytes:
    """A network's weights and buffers as a safetensors file."""
    return to_bytes(network.state_dict(), header)


def load_network(network: nn.Module, data: bytes) -> dict[str, Any]:
    """Put weights into a network and return the file's header. Raises TrainingError."""
    tensors, header = from_bytes(data)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(f"the weights do not fit the network: {error}") from error
    return header
