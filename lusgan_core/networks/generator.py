"""A trained generator as a record: everything needed to build it again and to read its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lusgan_core.api import NetworkSpec
from lusgan_core.domain import Record
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.registry import Registry

if TYPE_CHECKING:
    from torch import nn


class GeneratorRecord(Record):
    """Everything needed to build a trained generator again and to read its output."""

    backbone: str
    backbone_options: dict[str, Any]
    image_size: int
    channels: int
    latent_size: int
    pack: int
    values: ValueMap
    scores: int = 0
    """Number of scores of a conditional backbone, else 0."""

    @property
    def spec(self) -> NetworkSpec:
        """The sizes, in the form that backbones expect."""
        return NetworkSpec(self.image_size, self.channels, self.latent_size, self.pack, self.scores)

    def build(self, registry: Registry) -> nn.Module:
        """A generator with untrained weights."""
        backbone = registry.backbone(self.backbone)
        options = backbone.options.model_validate(self.backbone_options)
        with inside_plugin("backbone", backbone.name, "building its generator"):
            return backbone.generator(self.spec, options)
