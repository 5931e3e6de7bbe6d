"""Files of weights that a user names by path and digest: safetensors alone, and checked.

A pickle may run code when it is read, so none is. A path may lead to another file tomorrow, so the
digest is named as well, and a file with another one is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING

from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (b"PK\x03\x04", b"\x80")
"""How files begin that ``torch.save`` and ``pickle`` write."""
SHOWN = 3
"""Names of tensors that an error lists."""


def check_weights(path: str, sha256: str) -> bytes:
    """Read a file of weights, after a look at whether it is the one that was named.

    Args:
        path: Where it is.
        sha256: Its digest, 64 hex digits.

    Returns:
        Its content, not parsed yet.

    Raises:
        ConfigError: No file or digest is named, the file cannot be read, it is a pickle, or it has
            another digest.
    """
    if not path:
        raise ConfigError("no file of weights is named: set `file` to a safetensors file")
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the file of weights {path} cannot be read: {error.strerror or error}"
        ) from error
    if data.startswith(PICKLES):
        raise ConfigError(
            f"{path} is a pickle, which can run code when it is read: convert it to safetensors "
            "(safetensors.torch.save_file) on a machine that you can lose"
        )
    found = hashlib.sha256(data).hexdigest()
    if not sha256:
        raise ConfigError(
            f"no digest of {path} is named: set `sha256` to what its publisher states; this file "
            f"has {found}"
        )
    if found != sha256.lower():
        raise ConfigError(
            f"{path} has the sha256 {found}, expected {sha256.lower()}: it is another file, or a "
            "damaged one"
        )
    return data


def read_weights(path: str, sha256: str) -> dict[str, Tensor]:
    """Read the tensors of a file of weights.

    Args:
        path: Where it is.
        sha256: Its digest, 64 hex digits.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        ConfigError: See ``check_weights``; or the file is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = check_weights(path, sha256)
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ConfigError(f"{path} is no safetensors file: {error}") from error


def check_fit(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    network: str,
    left_out: Set[str] = frozenset(),
) -> None:
    """Check that tensors are those of a network.

    Args:
        tensors: The tensors of a file, by name.
        shapes: Shape of each tensor that the network has, by name.
        network: Name of the network, for messages.
        left_out: First parts of names (up to the first dot) of tensors that may be there or not.

    Raises:
        ConfigError: A tensor is missing, not one of the network's, or of another shape.
    """
    missing = [name for name in shapes if name not in tensors]
    strange = [n for n in tensors if n not in shapes and n.partition(".")[0] not in left_out]
    for faults, said in ((missing, "lacks"), (strange, "has")):
        if faults:
            more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
            which = "" if said == "lacks" else ", which that network has not"
            raise ConfigError(
                f"the file of weights does not fit {network}: it {said} "
                f"{', '.join(faults[:SHOWN])}{more}{which}"
            )
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise ConfigError(
                f"the file of weights does not fit {network}: {name} is shaped "
                f"{tuple(tensors[name].shape)}, expected {shape}"
            )
