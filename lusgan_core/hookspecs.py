"""The plugin boundary: four hooks, each with a whole example plugin in its docstring.

A package offers a plugin by an entry point, and needs nothing else::

    [project.entry-points.lusgan]
    my_plugin = "my_plugin"

``lusgan plugins`` lists what is installed, from where, and what is broken. The suites in
``lusgan_core.testing`` check a plugin against the contract.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from lusgan_core.api import Backbone, Loss, Metric, Penalty

hookspec = pluggy.HookspecMarker("lusgan")


class LusganSpecs:
    """Each hook returns a list of records; each record names itself."""

    @hookspec
    def register_backbones(self) -> Sequence[Backbone]:  # type: ignore[empty-body]
        """Offer backbones: pairs of a generator and a discriminator.

        Both are built by the sizes of a ``NetworkSpec``; images and logits of other shapes end the
        training at its first step. Weights that are built with ``requires_grad`` off stay frozen,
        and whatever a network remembers from step to step is a buffer, so that a training can
        resume. With ``conditional=True`` both networks take scores after their input,
        ``generator(noise, scores)`` and ``discriminator(packs, scores)``, and are built for
        ``spec.scores`` of them; a pipeline refuses such a backbone for now.

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

        A loss that reads more than logits and targets names it, as in
        ``reads=frozenset({"images", "noise", "iteration"})``; its functions then take a ``Step``
        before the options: ``generator(real_logits, fake_logits, targets, step, options)``.

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

        The discriminator is called with packed images alone; a conditional one comes bound to their
        scores.

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
