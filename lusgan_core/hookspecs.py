"""The plugin boundary: hooks, each with a whole example plugin in its docstring.

A package offers a plugin by an entry point, and needs nothing else::

    [project.entry-points.lusgan]
    my_plugin = "my_plugin"

``lusgan plugins`` lists what is installed, from where, and what is broken. The suites in
``lusgan_core.testing`` check a plugin against the contract.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from lusgan_core.api import Backbone, FeatureExtractor, Loss, Metric, Penalty

hookspec = pluggy.HookspecMarker("lusgan")


class LusganSpecs:
    """Each hook returns a list of records; each record names itself."""

    @hookspec
    def register_backbones(self) -> Sequence[Backbone]:  # type: ignore[empty-body]
        """Offer backbones: pairs of a generator and a discriminator.

        A whole plugin::

            from pydantic import Field
            from torch import nn
            from lusgan_core.api import Backbone, NetworkSpec, Options, hookimpl

            class DenseOptions(Options):
                width: int = Field(64, ge=1, description="Units of the hidden layer")

            def generator(spec: NetworkSpec, options: DenseOptions) -> nn.Module:
                shape = (spec.channels, spec.image_size, spec.image_size)
                pixels = spec.channels * spec.image_size**2
                return nn.Sequential(
                    nn.Linear(spec.latent_size, options.width), nn.ReLU(),
                    nn.Linear(options.width, pixels), nn.Tanh(), nn.Unflatten(1, shape),
                )

            def discriminator(spec: NetworkSpec, options: DenseOptions) -> nn.Module:
                pixels = spec.pack * spec.channels * spec.image_size**2
                return nn.Sequential(
                    nn.Flatten(), nn.Linear(pixels, options.width), nn.LeakyReLU(0.2),
                    nn.Linear(options.width, 1),
                )

            @hookimpl
            def register_backbones():
                return [Backbone("dense", "Two dense layers", generator, discriminator,
                                 options=DenseOptions)]
        """

    @hookspec
    def register_losses(self) -> Sequence[Loss]:  # type: ignore[empty-body]
        """Offer adversarial losses.

        A whole plugin::

            from lusgan_core.api import Loss, hookimpl

            def discriminator(real_logits, fake_logits, targets, options):
                return fake_logits.mean() - real_logits.mean()

            def generator(real_logits, fake_logits, targets, options):
                return -fake_logits.mean()

            @hookimpl
            def register_losses():
                return [Loss("wgan", "Wasserstein critic", discriminator, generator,
                             targets=frozenset(), generator_needs_real=False)]
        """

    @hookspec
    def register_penalties(self) -> Sequence[Penalty]:  # type: ignore[empty-body]
        """Offer penalties, which are added to any discriminator loss.

        A whole plugin::

            from lusgan_core.api import Penalty, hookimpl

            def value(discriminator, real, fake, rng, options):
                return discriminator(real).square().mean()

            @hookimpl
            def register_penalties():
                return [Penalty("drift", "Keeps real logits near zero", value)]
        """

    @hookspec
    def register_metrics(self) -> Sequence[Metric]:  # type: ignore[empty-body]
        """Offer metrics on pairs of frames, or on two sets of them.

        A whole plugin::

            import numpy as np
            from lusgan_core.api import PairMetric, hookimpl

            def mean_absolute_error(a, b):
                return float(np.abs(a.astype(float) - b).mean())

            @hookimpl
            def register_metrics():
                return [PairMetric("mae", "MAE", "Mean absolute difference of grey levels",
                                   better="lower", identical=0.0, value=mean_absolute_error,
                                   unit="grey levels")]
        """

    @hookspec
    def register_features(self) -> Sequence[FeatureExtractor]:  # type: ignore[empty-body]
        """Offer feature extractors, on whose features sets of frames are compared.

        A whole plugin::

            import numpy as np
            from lusgan_core.api import FeatureExtractor, hookimpl

            def build(device):
                def extract(frames):
                    pixels = frames.reshape(len(frames), -1)
                    return np.quantile(pixels, (0.25, 0.5, 0.75), axis=1).T.astype(np.float32)

                return extract

            @hookimpl
            def register_features():
                return [FeatureExtractor("quartiles", "Quartiles of a frame's grey levels", build,
                                         licence="Apache-2.0", size=3)]
        """
