"""Files of weights as a user names them: EfficientNet-Lite0's own, and a random InceptionV3."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from lusgan_core.registry import installed


def lite0_tensors() -> dict[str, Tensor]:
    """Return the weights of EfficientNet-Lite0 as its package ships them."""
    weights = installed().feature("lite0").weights
    assert weights is not None
    (path,) = weights()
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True)
    return {name: value.contiguous() for name, value in tensors.items()}


def inception_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Return random weights of torchvision's InceptionV3, those of a start by He."""
    from torchvision.models import inception_v3

    numbers = torch.Generator().manual_seed(seed)
    network = inception_v3(weights=None, aux_logits=False, init_weights=False)
    tensors: dict[str, Tensor] = network.state_dict()
    for name, value in tensors.items():
        if value.ndim == 4:
            scale = (2 / value[0].numel()) ** 0.5
            tensors[name] = scale * torch.randn(value.shape, generator=numbers)
    return tensors


def written(tensors: dict[str, Tensor], path: Path) -> dict[str, str]:
    """Write tensors to a safetensors file, and return the options that name it."""
    save_file(tensors, path)
    return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
