"""Builds the networks of a backbone, and refuses what could not be trained to the end."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lusgan_core.api import Backbone, NetworkSpec
from lusgan_core.errors import PluginError
from lusgan_core.networks.weights import load_network, network_bytes, to_bytes
from lusgan_core.plugin_guard import inside_plugin


def built(backbone: Backbone, spec: NetworkSpec, options: object) -> dict[str, nn.Module]:
    """Build both networks; their first weights come from torch's random state.

    Args:
        backbone: The backbone.
        spec: Sizes that the networks must fit.
        options: The backbone's options.

    Returns:
        ``generator`` and ``discriminator``.

    Raises:
        ConfigError: The backbone refuses sizes or options.
        PluginError: It fails, builds no module, builds one with nothing to train, or one whose
            weights cannot be saved.
    """
    networks = {}
    for title in ("generator", "discriminator"):
        build: Callable[..., nn.Module] = getattr(backbone, title)
        with inside_plugin("backbone", backbone.name, f"building its {title}"):
            networks[title] = build(spec, options)
        check_network(backbone.name, title, networks[title])
    return networks


def check_network(backbone: str, title: str, network: nn.Module) -> None:
    """Check that a network has weights to train, and that they can be saved and loaded.

    Args:
        backbone: Name of the backbone, for messages.
        title: ``generator`` or ``discriminator``.
        network: The network; loading its own weights leaves it as it is.

    Raises:
        PluginError: It is no module, or has no weight to train, or checkpoints cannot hold it.
    """
    whose = f"backbone {backbone!r}: its {title}"
    if not isinstance(network, nn.Module):
        raise PluginError(f"{whose} is a {type(network).__name__}, expected a torch.nn.Module")
    with inside_plugin("backbone", backbone, f"listing the weights of its {title}"):
        trained = [weight.requires_grad for weight in network.parameters()]
        weights = network.state_dict()
    if not any(trained):
        raise PluginError(f"{whose} has no weight to train: leave requires_grad on for some")
    for name, value in weights.items():
        reason = _unsavable(name, value)
        if reason:
            raise PluginError(
                f"{whose} cannot be saved: {name} {reason}. Checkpoints hold dense tensors alone: "
                "keep all that a network carries in weights and buffers of that kind"
            )
    try:
        load_network(network, network_bytes(network, {}))
    except Exception as error:
        raise PluginError(
            f"{whose} cannot be loaded from a checkpoint ({' '.join(str(error).split())}): its "
            "load_state_dict must take what its state_dict gives"
        ) from error


def _unsavable(name: str, value: object) -> str:
    """Why a checkpoint cannot hold an entry of a state_dict; empty if it can."""
    if not isinstance(value, Tensor):
        return f"is a {type(value).__name__}"
    try:
        to_bytes({name: value}, {})
    except Exception as error:  # of torch for what is sparse or not initialised, of safetensors
        return f"cannot be written ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    return ""
