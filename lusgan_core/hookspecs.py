"""The plugin boundary: a hook a kind of plugin, each with a whole example plugin in its docstring.

A package offers a plugin by an entry point, and needs nothing else::

    [project.entry-points.lusgan]
    my_plugin = "my_plugin"

``lusgan plugins`` lists what is installed, from where, and what is broken. The suites in
``lusgan_core.testing`` check a plugin against the contract.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from lusgan_core.api import (
    Augmentation,
    Backbone,
    Exporter,
    FeatureExtractor,
    Gate,
    Loss,
    Metric,
    Penalty,
    Preset,
    Reader,
)

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
        before the options: ``generator(real_logits, fake_logits, targets, step, options)``. One
        that ignores labels has ``targets=frozenset()``, and a run must not smooth or flip them.

        A whole plugin::

            from lusgan_core.api import Loss, hookimpl

            def discriminator(real_logits, fake_logits, targets, options):
                real, fake = real_logits - targets.real, fake_logits - targets.fake
                return real.abs().mean() + fake.abs().mean()

            def generator(real_logits, fake_logits, targets, options):
                return (fake_logits - targets.real).abs().mean()

            @hookimpl
            def register_losses():
                return [Loss("absolute", "Least absolute deviations", discriminator, generator,
                             generator_needs_real=False)]
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
    def register_augmentations(self) -> Sequence[Augmentation]:  # type: ignore[empty-body]
        """Offer augmentations, which change what the discriminator sees, real and synthetic alike.

        A whole plugin::

            from pydantic import Field
            from lusgan_core.api import Augmentation, Options, hookimpl

            class GammaOptions(Options):
                most: float = Field(0.2, ge=0, lt=1, description="Largest change of the exponent")

            def gamma(images, draws, options):
                exponents = 1 + options.most * (2 * draws[:, :, None, None] - 1)
                levels = (images + 1).clamp(min=0.02) / 2
                return 2 * levels**exponents - 1

            @hookimpl
            def register_augmentations():
                return [Augmentation("gamma", "Brightens or darkens middle grey", gamma,
                                     options=GammaOptions)]
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

    @hookspec
    def register_readers(self) -> Sequence[Reader]:  # type: ignore[empty-body]
        """Offer readers of exams: which objects of a source are clips, and what is in a clip.

        A whole plugin::

            from contextlib import contextmanager
            import numpy as np
            from lusgan_core.api import Clip, ClipError, FoundClip, Reader, Refused, hookimpl

            LAYOUT = "clips at PATIENT/EXAM/SCORE_NAME.npy"

            def find(listing):
                for stat in listing.objects:
                    if not stat.name.endswith(".npy") or stat.key.count("/") != 2:
                        continue
                    patient, exam, name = stat.key.split("/")
                    if name[0] in "0123":
                        yield FoundClip(patient, exam, stat, facts={"score": int(name[0])})
                    else:
                        yield Refused(stat, f"no score in its name: expected {LAYOUT}",
                                      patient, exam)

            @contextmanager
            def open_clip(objects):
                with objects.open() as file:
                    try:
                        np.lib.format.read_magic(file)
                        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
                    except ValueError:
                        raise ClipError("no .npy array: damaged file") from None
                    if len(shape) != 3 or by_columns or dtype != np.uint8:
                        raise ClipError("expected an array (frames, height, width) of uint8")
                    start, (count, height, width) = file.tell(), shape

                    def frames():
                        for number in range(count):
                            file.seek(start + number * height * width)
                            data = file.read(height * width)
                            if len(data) < height * width:
                                raise ClipError(f"the file ends in frame {number + 1}: truncated")
                            yield np.frombuffer(data, np.uint8).reshape(1, height, width)

                    yield Clip(height, width, count, frames, lambda: objects.facts["score"])

            @hookimpl
            def register_readers():
                return [Reader("npy", "NumPy arrays of frames", LAYOUT, find, open_clip)]
        """

    @hookspec
    def register_gates(self) -> Sequence[Gate]:  # type: ignore[empty-body]
        """Offer gates, which hold models back that are not fit to become current.

        A whole plugin::

            from pydantic import Field
            from lusgan_core.api import Gate, Options, Verdict, find, hookimpl

            class Limits(Options):
                most: float = Field(0.99, ge=0, le=1, description="Largest SSIM of two frames")

            def check(candidate, current, options):
                found = find(candidate.values, "ssim", ("synthetic", "synthetic"), "max")
                if found is None or found.value is None:
                    return Verdict.not_measured("add ssim to evaluation.metrics")
                return Verdict(
                    passed=found.value <= options.most,
                    reason=f"two synthetic frames have an SSIM of {found.value:.3f}, "
                    f"{options.most:.3f} is allowed",
                    values=(found,),
                )

            @hookimpl
            def register_gates():
                return [Gate("twins", "No two synthetic frames are the same", check,
                             options=Limits, needs=("ssim",))]
        """

    @hookspec
    def register_presets(self) -> Sequence[Preset]:  # type: ignore[empty-body]
        """Offer presets, from which the options of a run start.

        A whole plugin::

            from lusgan_core.api import Preset, hookimpl

            @hookimpl
            def register_presets():
                return [Preset("quick", "The demo with half the iterations",
                               {"training": {"iterations": 300}}, based_on="demo")]
        """

    @hookspec
    def register_exporters(self) -> Sequence[Exporter]:  # type: ignore[empty-body]
        """Offer exporters, which write synthetic frames in a file format.

        A whole plugin::

            from lusgan_core.api import Exporter, hookimpl

            class PgmExport:
                def __init__(self, folder, samples, options):
                    self.folder, self.samples, self.names = folder, samples, []

                def add(self, frame):
                    grey = frame if frame.ndim == 2 else frame[..., 1]
                    height, width = grey.shape
                    head = f"P5\\n# {self.samples.statement}\\n{width} {height}\\n255\\n"
                    self.names.append(f"frame-{len(self.names):06d}.pgm")
                    self.folder.put(self.names[-1], head.encode() + grey.tobytes())

                def finish(self):
                    return self.names

            @hookimpl
            def register_exporters():
                return [Exporter("pgm", "Portable grey maps, a file a frame", PgmExport,
                                 file_per_frame=True)]
        """
