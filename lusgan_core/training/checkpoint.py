"""Checkpoints: every bit of a training's state in one safetensors file, written whole.

Tensors are named ``generator.*``, ``discriminator.*``, ``average.*``, ``adam_G.*`` and so on; the
rest is JSON in the header. No pickles, so a file from a stranger can do no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Adam

from lusgan_core.errors import TrainingError
from lusgan_core.training.state import TrainingState

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


def save_state(state: TrainingState, identity: str) -> bytes:
    """The whole state as a file. ``identity`` is the training's cache key."""
    tensors: dict[str, Tensor] = {"history": torch.from_numpy(state.history)}
    for name, network in state.networks().items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, optimiser in (
        ("adam_G", state.generator_optimiser),
        ("adam_D", state.discriminator_optimiser),
    ):
        for number, entry in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{number}.{key}": value for key, value in entry.items()}
    return to_bytes(tensors, {"iteration": state.iteration, "identity": identity})


def load_state(state: TrainingState, data: bytes, identity: str) -> None:
    """Bring a fresh state to where a checkpoint was. Raises TrainingError if it does not fit."""
    tensors, header = from_bytes(data)
    if header.get("identity") != identity:
        raise TrainingError("the checkpoint belongs to a training with other data or options")
    try:
        state.iteration = header["iteration"]
        state.history[:] = tensors["history"].numpy()
        for name, network in state.networks().items():
            network.load_state_dict(_below(tensors, name))
        _load_adam(state.generator_optimiser, _below(tensors, "adam_G"))
        _load_adam(state.discriminator_optimiser, _below(tensors, "adam_D"))
    except (KeyError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the checkpoint does not fit the networks: {error}") from error


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _load_adam(optimiser: Adam, tensors: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(
        {"state": moments, "param_groups": optimiser.state_dict()["param_groups"]}
    )
