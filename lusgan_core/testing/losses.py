"""The contract of an adversarial loss.

Shapes: N inputs of the discriminator, P images in each (pack), L logits an input; logits and
targets are (N, L). A loss that reads images and noise is given images (N, P, 8, 8) and noise
(N P, 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lusgan_core.api import Loss, Options, Step, Targets
from lusgan_core.testing.records import RecordContract

ITERATIONS = (0, 10, 1000, 100_000)
"""Numbers of iterations at which options may count."""
PACKS = (2, 3)
"""Images in an input of the discriminator that are tried beside one (PacGAN)."""


class LossContract(RecordContract):
    """The tests of an adversarial loss. Set ``record``; values are computed in float64."""

    record: Loss
    record_options: Options | None = None
    """Options to compute with; None for the defaults."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The losses of discriminator and generator."""
        return {"discriminator": self.record.discriminator, "generator": self.record.generator}

    def both(
        self,
        real: Tensor,
        fake: Tensor,
        targets: Targets | None = None,
        step: Step | None = None,
        options: Options | None = None,
    ) -> list[Tensor]:
        """Compute the discriminator's and the generator's loss.

        Args:
            real: Logits of real inputs, (N, L).
            fake: Logits of synthetic inputs, (N, L).
            targets: Targets of the discriminator, shaped as the logits; None for 1 and 0, which the
                generator's loss is always given.
            step: What the loss may read beside these, whole: it is given what it names in
                ``reads``. None: that of ``whole_step``.
            options: Options of the loss; None for ``record_options``, or the defaults.

        Returns:
            Two scalars: the discriminator's loss, the generator's loss.
        """
        options = options or self.record_options or self.record.options()
        plain = plain_targets(real, fake)
        whole = step or whole_step(real)
        return [
            self.record.discriminator(
                real, fake, targets or plain, *given(self.record, whole), options
            ),
            self.record.generator(
                real, fake, plain, *given(self.record, whole, generator=True), options
            ),
        ]

    def test_value_is_a_finite_scalar(self) -> None:
        """A loss is one number, for one logit an input or for several."""
        for logits_each in (1, 4):
            for value in self.both(*logits(6, logits_each)):
                assert value.shape == (), f"shape {tuple(value.shape)}, expected a scalar"
                assert torch.isfinite(value), f"value {value}"

    def test_packs_of_images_work(self) -> None:
        """With several images in an input of the discriminator the batch has as many noise vectors,
        but fewer logits: the loss is finite, and trains both networks, all the same."""
        for pack in PACKS:
            real, fake = (x.requires_grad_() for x in logits(4, 1))
            said = f"{self.record.name}, {pack} images in an input (training.pack={pack}, logits "
            said += f"{tuple(fake.shape)}, noise ({4 * pack}, 6))"
            try:
                values = self.both(real, fake, step=whole_step(real, pack=pack))
            except Exception as error:
                raise AssertionError(f"{said}: {type(error).__name__}: {error}") from error
            for value in values:
                assert value.shape == (), f"{said}: shape {tuple(value.shape)}, expected a scalar"
                assert torch.isfinite(value), f"{said}: value {value}"
                (gradient,) = torch.autograd.grad(value, fake, allow_unused=True)
                assert gradient is not None, f"{said}: no gradient"
                assert gradient.any(), f"{said}: a gradient of zero"

    def test_large_logits_overflow_nothing(self) -> None:
        """Confident logits of either sign give finite float32 values and gradients."""
        for size in (100.0, -100.0):
            real = torch.full((4, 1), size, requires_grad=True)
            fake = torch.full((4, 1), -size, requires_grad=True)
            for value in self.both(real, fake):
                grads = torch.autograd.grad(value, (real, fake), allow_unused=True)
                assert torch.isfinite(value), f"value {value} for logits of +-{abs(size)}"
                for grad in grads:
                    assert grad is None or torch.isfinite(grad).all(), "gradient is not finite"

    def test_gradients_reach_the_logits(self) -> None:
        """Both kinds of logits train the discriminator, the fake ones the generator."""
        real, fake = (x.requires_grad_() for x in logits(6, 2))
        discriminator, generator = self.both(real, fake)
        for title, value, inputs in (
            ("discriminator", discriminator, (real, fake)),
            ("generator", generator, (fake,)),
        ):
            for gradient in torch.autograd.grad(value, inputs, allow_unused=True):
                assert gradient is not None, f"{title}: a kind of logits has no gradient"
                assert torch.isfinite(gradient).all(), f"{title}: a gradient is not finite"
                assert gradient.any(), f"{title}: a gradient is zero throughout"

    def test_each_side_wants_the_opposite(self) -> None:
        """The discriminator gains from real logits above fake ones, the generator loses."""
        high, low = torch.ones(4, 1), -torch.ones(4, 1)
        told_apart, fooled = self.both(high, low), self.both(low, high)
        assert told_apart[0] < fooled[0], "the discriminator is not rewarded for being right"
        assert told_apart[1] > fooled[1], "the generator is not rewarded for fooling it"

    def test_order_within_the_batch_is_nothing(self) -> None:
        """Shuffling inputs, real and fake alike, changes neither value.

        One that reads images or noise may set neighbours against each other, and is left out.
        """
        if self.record.reads & {"images", "noise"}:
            return
        real, fake = logits(7, 3)
        targets = smoothed(real, fake)
        order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
        shuffled = Targets(targets.real[order], targets.fake[order])
        before = self.both(real, fake, targets)
        after = self.both(real[order], fake[order], shuffled)
        for one, two in zip(before, after, strict=True):
            torch.testing.assert_close(one, two, msg="the order of the batch changes the loss")

    def test_batch_size_is_nothing(self) -> None:
        """The same batch twice has the loss of the batch: losses are means, not sums.

        One that reads images or noise may set some against others, and is left out.
        """
        if self.record.reads & {"images", "noise"}:
            return
        real, fake = logits(5, 2)
        once = self.both(real, fake)
        twice = self.both(real.repeat(2, 1), fake.repeat(2, 1))
        for one, two in zip(once, twice, strict=True):
            torch.testing.assert_close(one, two, msg="the loss grows with the batch")

    def test_reads_the_targets_that_it_names_and_no_others(self) -> None:
        """Smoothed targets change the discriminator's loss exactly where they are declared."""
        real, fake = logits(6, 2)
        plain, smooth = plain_targets(real, fake), smoothed(real, fake)
        before = self.both(real, fake, plain)[0]
        for kind, targets in (
            ("real", Targets(smooth.real, plain.fake)),
            ("fake", Targets(plain.real, smooth.fake)),
        ):
            reads = not torch.equal(before, self.both(real, fake, targets)[0])
            said = kind in self.record.targets
            assert reads == said, (
                f"{self.record.name} {'reads' if reads else 'ignores'} {kind} targets, "
                f"but names {sorted(self.record.targets)}"
            )

    def test_generator_reads_real_logits_if_it_says_so(self) -> None:
        """``generator_needs_real`` is true exactly where real logits change the value."""
        real, fake = logits(6, 2)
        reads = not torch.equal(self.both(real, fake)[1], self.both(real + 1, fake)[1])
        assert reads == self.record.generator_needs_real, (
            f"{self.record.name}: the generator {'reads' if reads else 'ignores'} real logits, but "
            f"generator_needs_real is {self.record.generator_needs_real}"
        )

    def test_equal_inputs_give_equal_values(self) -> None:
        """A loss remembers nothing and draws nothing: a resumed training would not get it back."""
        one, two = (self.both(*logits(6, 2)) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True)), (
            f"{self.record.name}: the same inputs gave two values: a loss that changes in the "
            "course of a training reads the iteration"
        )

    def test_reads_the_images_and_the_noise_that_it_names(self) -> None:
        """Other images or noise, where named in ``reads``, change one of the two losses."""
        real, fake = logits(6, 2)
        whole, other = whole_step(real), whole_step(real, seed=3)
        before = self.both(real, fake, step=whole)
        for kind, step in (
            ("images", replace(whole, real=other.real, fake=other.fake)),
            ("noise", replace(whole, noise=other.noise)),
        ):
            after = self.both(real, fake, step=step)
            changed = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
            assert changed or kind not in self.record.reads, (
                f"{self.record.name} names {kind} in `reads`, but other {kind} change no loss"
            )

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes some loss: of usual logits, of
        confident ones, early in a training or late."""
        real, fake = logits(6, 2)
        targets = smoothed(real, fake)

        def losses(options: Options) -> list[float]:
            steps = [replace(whole_step(real), iteration=n) for n in ITERATIONS]
            return [
                value.item()
                for scale in (1.0, 20.0)
                for step in steps
                for value in self.both(real * scale, fake * scale, targets, step, options)
            ]

        self.check_options(losses, "loss")


def whole_step(like: Tensor, seed: int = 2, pack: int = 1) -> Step:
    """Draw all that a loss may read of a step, the same for the same seed.

    Args:
        like: Logits (N, L), for number and type.
        seed: Seed of images and noise.
        pack: Images in an input of the discriminator, P.

    Returns:
        Images (N, P, 8, 8) in -1..1, noise (N P, 6), and iteration 3.
    """
    rng = torch.Generator().manual_seed(seed)
    shape = (2, len(like), pack, 8, 8)
    real, fake = torch.rand(shape, generator=rng, dtype=like.dtype) * 2 - 1
    noise = torch.randn(len(like) * pack, 6, generator=rng, dtype=like.dtype)
    return Step(real=real, fake=fake, noise=noise, iteration=3)


def given(loss: Loss, whole: Step, *, generator: bool = False) -> tuple[Step, ...]:
    """What of a step a loss is given: no argument if it reads nothing.

    Args:
        loss: The loss, which names what it reads.
        whole: All that there is to read.
        generator: Whether it is a generator step.

    Returns:
        A tuple of no ``Step``, or of one.
    """
    if not loss.reads:
        return ()
    images = "images" in loss.reads
    real = images and (loss.generator_needs_real or not generator)
    step = Step(
        real=whole.real if real else None,
        fake=whole.fake if images else None,
        noise=whole.noise if "noise" in loss.reads else None,
        iteration=whole.iteration if "iteration" in loss.reads else None,
    )
    return (step,)


def logits(inputs: int, logits_each: int) -> tuple[Tensor, Tensor]:
    """Draw logits of real and synthetic inputs, the same in every call.

    Args:
        inputs: Number of inputs of either kind, N.
        logits_each: Logits of an input, L.

    Returns:
        Logits of real and of synthetic inputs, each (N, L) float64.
    """
    rng = torch.Generator().manual_seed(0)
    shape = (2, inputs, logits_each)
    real, fake = torch.randn(shape, generator=rng, dtype=torch.float64)
    return real, fake


def plain_targets(real: Tensor, fake: Tensor) -> Targets:
    """Targets without smoothing or flipping.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of synthetic inputs, (N, L).

    Returns:
        1 for real and 0 for synthetic inputs, shaped as the logits.
    """
    return Targets(torch.ones_like(real), torch.zeros_like(fake))


def smoothed(real: Tensor, fake: Tensor) -> Targets:
    """Draw targets smoothed as in the report, the same in every call.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of synthetic inputs, (N, L).

    Returns:
        Targets of 0.7 to 1.2 for real and 0 to 0.3 for synthetic inputs, shaped as the logits.
    """
    rng = torch.Generator().manual_seed(1)
    up = torch.rand(real.shape, generator=rng, dtype=real.dtype)
    down = torch.rand(fake.shape, generator=rng, dtype=fake.dtype)
    return Targets(0.7 + 0.5 * up, 0.3 * down)
