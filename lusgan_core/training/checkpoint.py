"""Checkpoints: every bit of a training's state in one safetensors file, written whole.

Tensors are named ``generator.*``, ``discriminator.*``, ``average.*``, ``adam_G.*`` and so on, those
that the monitor keeps ``good.*`` and ``best.*``; the rest is JSON in the header, with a digest of
it all, by which a damaged file is known. Nothing is pickled, so loading an untrusted file cannot
run code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from lusgan_core.calls.provenance import digest_json
from lusgan_core.errors import TrainingError
from lusgan_core.networks.weights import from_bytes, to_bytes
from lusgan_core.training.looks import Watch
from lusgan_core.training.state import TrainingState

DIGEST = "digest"
"""Name of the digest in the header."""
SNAPSHOTS = ("good", "best")
"""Sets of tensors that the monitor keeps, see ``Watch``."""


class BrokenCheckpointError(TrainingError):
    """A checkpoint that is not what was written."""


def save_state(state: TrainingState, identity: str) -> bytes:
    """Serialise the whole training state.

    Args:
        state: Networks, optimisers, average and history to write; left unchanged.
        identity: Cache key of the training, which ``load_state`` checks.

    Returns:
        A safetensors file; iteration, identity, PyTorch's versions and the digest of it all are
        JSON in its header.
    """
    tensors = {"history": torch.from_numpy(state.history), **weights_of(state)}
    for name in SNAPSHOTS:
        kept: dict[str, Tensor] = getattr(state.watch, name)
        tensors |= {f"{name}.{key}": value for key, value in kept.items()}
    header = {
        "iteration": state.iteration,
        "identity": identity,
        "torch": state.torch_versions,
        "watch": state.watch.header(),
    }
    return to_bytes(tensors, {**header, DIGEST: _digest(tensors, header)})


def weights_of(state: TrainingState) -> dict[str, Tensor]:
    """Collect all tensors that an iteration changes.

    Args:
        state: A training's state.

    Returns:
        The tensors themselves, not copies, by the names that they have in a checkpoint.
    """
    tensors: dict[str, Tensor] = {"augmentation": state.augmentation}
    for name, network in state.networks().items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, optimiser in _optimisers(state):
        for number, entry in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{number}.{key}": value for key, value in entry.items()}
    return tensors


def read_checkpoint(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint and check its digest, where it has one.

    Args:
        data: File that ``save_state`` made.

    Returns:
        Its tensors, on the CPU, and its header.

    Raises:
        BrokenCheckpointError: The file is damaged, or no checkpoint.
    """
    try:
        tensors, header = from_bytes(data)
    except TrainingError as error:
        raise BrokenCheckpointError(str(error)) from error
    told = header.pop(DIGEST, None)
    if told is not None and told != _digest(tensors, header):
        raise BrokenCheckpointError(
            "the checkpoint is damaged: its digest is not that of its content"
        )
    return tensors, header


def generator_weights(data: bytes) -> dict[str, Tensor]:
    """The weights and buffers of the network that generates, from a checkpoint; see above."""
    tensors, _ = read_checkpoint(data)
    found = (_below(tensors, name) for name in ("best", "average", "generator"))
    return next(weights for weights in found if weights)


def put_back(state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
    """Bring back all tensors that iterations have changed.

    Args:
        state: A training's state; changed in place.
        tensors: What ``weights_of`` collected of a training of the same networks; not shared with
            the state afterwards.

    Raises:
        KeyError: A tensor is missing.
        ValueError: An optimiser has other weights.
        RuntimeError: A network has other weights.
    """
    state.augmentation = tensors["augmentation"].to(state.augmentation).clone()
    for name, network in state.networks().items():
        network.load_state_dict(_below(tensors, name))
    for name, optimiser in _optimisers(state):
        _load_adam(optimiser, _below(tensors, name))


def load_state(state: TrainingState, data: bytes, identity: str) -> None:
    """Bring a fresh state to the point at which a checkpoint was written.

    Args:
        state: State of a training with the same networks and options; changed in place.
        data: File that ``save_state`` made.
        identity: Cache key of this training.

    Raises:
        BrokenCheckpointError: The file is damaged; the state is as before.
        TrainingError: It belongs to another training or does not fit the networks.
    """
    tensors, header = read_checkpoint(data)
    if header.get("identity") != identity:
        raise TrainingError("the checkpoint belongs to a training with other data or options")
    try:
        state.iteration = header["iteration"]
        state.history[:] = tensors["history"].numpy()
        before = [str(version) for version in header.get("torch", ())]
        more = state.torch_versions if state.iteration < len(state.history) else ()
        state.torch_versions = tuple(dict.fromkeys([*before, *more]))
        put_back(state, tensors)
        state.watch = Watch.of(header.get("watch", {}))
        for name in SNAPSHOTS:
            setattr(state.watch, name, _below(tensors, name))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the checkpoint does not fit the networks: {error}") from error


def _optimisers(state: TrainingState) -> tuple[tuple[str, Adam], ...]:
    return ("adam_G", state.generator_optimiser), ("adam_D", state.discriminator_optimiser)


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _load_adam(optimiser: Adam, tensors: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value.clone()
    optimiser.load_state_dict(
        {"state": moments, "param_groups": optimiser.state_dict()["param_groups"]}
    )


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """sha256 of the header, and of the name, type, shape and values of every tensor."""
    state = hashlib.sha256(digest_json(header).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        state.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()
