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
    """Make a safetensors file; equal content gives equal bytes.

    Tensors that share memory (tied weights) are written under each of their names.

    Args:
        tensors: Tensors by name, on any device.
        header: A JSON object kept beside them.

    Returns:
        The file's content.
    """
    plain: dict[str, Tensor] = {}
    memory = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        place = value.untyped_storage().data_ptr()
        plain[name] = value.clone() if place in memory else value
        memory.add(place)
    return save(plain, {HEADER: json.dumps(header, sort_keys=True)})


def from_bytes(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and header of a file that ``to_bytes`` made.

    Raises TrainingError for any other file, and for a damaged one.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        return load(data), json.loads(metadata[HEADER])
    except Exception as error:  # the library raises its own and several standard kinds
        raise TrainingError(
            f"a model file is damaged or not lusgan's ({error}); delete it and train again"
        ) from error


def network_bytes(network: nn.Module, header: Mapping[str, Any]) -> bytes:
    """Make a safetensors file of a network's weights and buffers.

    Args:
        network: The network, on any device.
        header: A JSON object kept beside them.

    Returns:
        The file's content.
    """
    return to_bytes(network.state_dict(), header)


def load_network(network: nn.Module, data: bytes) -> dict[str, Any]:
    """Load weights and buffers into a network, in place.

    Args:
        network: A network of the architecture that the file was made from.
        data: Content of a file that ``network_bytes`` made.

    Returns:
        The file's header.

    Raises:
        TrainingError: The file is damaged, or does not fit the network.
    """
    tensors, header = from_bytes(data)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(f"the weights do not fit the network: {error}") from error
    return header
