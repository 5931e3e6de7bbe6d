"""The contract suites themselves: each lets a good record pass and catches each broken one."""

from __future__ import annotations

import functools
import time
from collections import UserDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

import tiny_backbones as nets
from lusgan_core.api import (
    Augmentation,
    Backbone,
    Exporter,
    FeatureExtractor,
    Gate,
    Loss,
    NetworkSpec,
    NoOptions,
    Options,
    PairMetric,
    Penalty,
    PenaltyOptions,
    Preset,
    SetMetric,
    Verdict,
    find,
)
from lusgan_core.testing import (
    AugmentationContract,
    BackboneContract,
    ExporterContract,
    FeatureExtractorContract,
    GateContract,
    LossContract,
    PairMetricContract,
    PenaltyContract,
    PresetContract,
    SetMetricContract,
)
from lusgan_core.testing.backbones import SPECS
from lusgan_core.testing.records import RecordContract

# --- good records, as small as can be ------------------------------------------------------------


def generator(spec: NetworkSpec, options: Any) -> nn.Module:
    side = spec.image_size
    return nn.Sequential(
        nn.Linear(spec.latent_size, spec.channels * side**2),
        nn.Tanh(),
        nn.Unflatten(1, (spec.channels, side, side)),
    )


def discriminator(spec: NetworkSpec, options: Any) -> nn.Module:
    pixels = spec.pack * spec.channels * spec.image_size**2
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))


BACKBONE = Backbone("dense", "Dense layers", generator, discriminator)


def critic(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return nn.functional.softplus(fake - real).mean()


def forger(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return nn.functional.softplus(real - fake).mean()


LOSS = Loss("pairs", "Relativistic, without targets", critic, forger, targets=frozenset())


def drift(network: nn.Module, real: Tensor, fake: Tensor, rng: Any, options: Any) -> Tensor:
    return network(real).square().mean()


PENALTY = Penalty("drift", "Keeps real logits near zero", drift)


class Dimming(Options):
    most: float = Field(0.3, ge=0, le=1, description="Largest share of light taken away")


def dim(images: Tensor, draws: Tensor, options: Dimming) -> Tensor:
    return (images + 1) * (1 - options.most * draws[:, :, None, None]) - 1


DIM = Augmentation("dim", "Darker images", dim, options=Dimming)


def mae(a: Any, b: Any) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def prepare(frames: Any) -> Any:
    return frames.astype(float)


def compare(a: Any, b: Any) -> Any:
    return np.array([[np.abs(x - y).mean() for y in b] for x in a])


MAE = PairMetric(
    "mae",
    "MAE",
    "Mean absolute difference",
    better="lower",
    identical=0.0,
    value=mae,
    bounds=(0, 255),
    prepare=prepare,
    compare=compare,
)


def mean_gap(a: Any, b: Any) -> float:
    return float(np.linalg.norm(a.mean(0) - b.mean(0)))


GAP = SetMetric(
    "gap",
    "Gap",
    "Distance of means",
    better="lower",
    identical=0.0,
    value=mean_gap,
    bounds=(0, np.inf),
)


class Limit(Options):
    most: float = Field(0.99, ge=0, le=1, description="Largest SSIM of two frames")


def no_twins(candidate: Any, current: Any, options: Any) -> Verdict:
    found = find(candidate.values, "ssim", ("synthetic", "synthetic"), "max")
    if found is None or found.value is None:
        return Verdict.not_measured("add ssim to evaluation.metrics")
    return Verdict(passed=found.value <= options.most, reason=f"SSIM {found.value:.3f}")


GATE = Gate("twins", "No two frames are the same", no_twins, options=Limit, needs=("ssim",))
PRESET = Preset("quick", "A short demo", {"training": {"iterations": 300}}, based_on="demo")


class Switch(Options):
    negative: bool = Field(False, description="Write negatives")


class Raw:
    """All frames in one file."""

    def __init__(self, folder: Any, told: Any, options: Any) -> None:
        self.folder, self.told, self.options = folder, told, options
        self.data = bytearray(told.statement.encode())

    def add(self, frame: Any) -> None:
        self.data += (255 - frame if self.options.negative else frame).tobytes()

    def finish(self) -> Any:
        self.folder.put("all.raw", bytes(self.data))
        return ["all.raw"]


EXPORTER = Exporter("raw", "Grey levels, one after the other", Raw, options=Switch)


def levels(device: str) -> Any:
    def extract(frames: Any) -> Any:
        pixels = frames.reshape(len(frames), -1)
        return np.quantile(pixels, (0.25, 0.5, 0.75), axis=1).T.astype(np.float32)

    return extract


LEVELS = FeatureExtractor("levels", "Quartiles of grey levels", levels, "none", 3)

GOOD: dict[type[RecordContract], Any] = {
    FeatureExtractorContract: LEVELS,
    BackboneContract: BACKBONE,
    LossContract: LOSS,
    PenaltyContract: PENALTY,
    AugmentationContract: DIM,
    PairMetricContract: MAE,
    SetMetricContract: GAP,
    GateContract: GATE,
    PresetContract: PRESET,
    ExporterContract: EXPORTER,
}


def names_of(suite: type[RecordContract]) -> list[str]:
    return [name for name in dir(suite) if name.startswith("test_")]


def run(suite: type[RecordContract], record: Any, name: str, **attributes: Any) -> None:
    """Run one test of a suite on a record, as pytest would."""
    test_class = type("TestIt", (suite,), {"record": record, **attributes})
    getattr(test_class(), name)()


@pytest.mark.parametrize(
    ("suite", "name"), [(suite, name) for suite in GOOD for name in names_of(suite)]
)
def test_good_records_pass(suite: type[RecordContract], name: str) -> None:
    """A small record that keeps the contract passes every test of its suite."""
    run(suite, GOOD[suite], name)


def diverse(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    half = len(fake) // 2
    apart = (step.fake[:half] - step.fake[half : 2 * half]).abs().mean()
    return forger(real, fake, targets, options) - apart / step.noise.abs().mean()


def warm(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    return min(1.0, 0.1 + step.iteration / 100) * critic(real, fake, targets, options)


class Keep(Options):
    worse: float = Field(
        0.01, ge=0, le=1, description="How much further from real frames it may be"
    )


def no_worse(candidate: Any, current: Any, options: Any) -> Verdict:
    """Compares with the current model alone, by a metric on sets."""
    wanted = ("kid/random", ("held-out", "synthetic"), "value")
    now, before = (find(one.values, *wanted) if one else None for one in (candidate, current))
    if now is None or before is None:
        return Verdict.not_measured("there is no current model, or KID was not evaluated")
    return Verdict(passed=now.value <= before.value + options.worse, reason=f"KID {now.value:.3f}")


def nearer(candidate: Any, current: Any, options: Any) -> Verdict:
    """The same by a metric on pairs."""
    wanted = ("ssim", ("real", "synthetic"), "mean")
    now, before = (find(one.values, *wanted) if one else None for one in (candidate, current))
    if now is None or before is None:
        return Verdict.not_measured("there is no current model, or SSIM was not evaluated")
    return Verdict(passed=now.value >= before.value, reason=f"SSIM {now.value:.3f}")


KEEP = Gate("no_worse", "KID no worse than now", no_worse, options=Keep, needs=("kid",))
READER = Loss(
    "reader", "Wants images apart", warm, diverse, targets=frozenset(),
    reads=frozenset({"images", "noise", "iteration"}),
)  # fmt: skip
UNUSUAL = [
    (BackboneContract, nets.CONDITIONAL),
    (BackboneContract, nets.dense(generator=lambda spec, options: nets.Tied(spec))),
    (BackboneContract, nets.dense(discriminator=lambda s, o: thawed(discriminator(s, o)))),
    (LossContract, READER),
    (GateContract, KEEP),
    (GateContract, Gate("nearer", "SSIM no worse than now", nearer, needs=("ssim",))),
]


def thawed(network: nn.Module) -> nn.Module:
    network.get_parameter("1.bias").requires_grad_(False)
    return network


@pytest.mark.parametrize(
    ("suite", "record"),
    UNUSUAL,
    ids=["conditional", "tied", "frozen", "reading", "compares", "pairs"],
)
def test_unusual_records_pass(suite: type[RecordContract], record: Any) -> None:
    """Conditional backbones, tied and frozen weights, a loss that reads all there is, and gates
    that compare with the current model, pass every test of their suite."""
    for name in names_of(suite):
        run(suite, record, name, specs=SPECS[:2])


# --- broken records: each with the test that must catch it ---------------------------------------


class Thawed(BaseModel):
    size: int = Field(1, ge=0, description="Not derived from Options")


class Undescribed(Options):
    size: int = Field(1, ge=0)


class Unbounded(Options):
    size: int | None = Field(1, description="A number without bounds")


class Required(Options):
    size: int = Field(ge=0, description="Without a default")


def networks(**parts: Callable[[NetworkSpec, Any], nn.Module]) -> Backbone:
    return replace(BACKBONE, **parts)


class Frozen(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.zeros_like(x))


class Chancy(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 * torch.randn_like(x))


class Batchy(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


class FirstOnly(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.cat([x[:, :1], torch.zeros_like(x[:, 1:])], 1))


class Hidden(nn.Module):
    """Keeps a number that no state_dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = torch.randn(1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset


def with_spare(network: nn.Module) -> nn.Module:
    network.register_parameter("spare", nn.Parameter(torch.zeros(3)))
    return network


def seeded(spec: NetworkSpec, options: Any) -> nn.Module:
    torch.manual_seed(0)
    return generator(spec, options)


def cut(spec: NetworkSpec, options: Any) -> nn.Module:
    layers = list(discriminator(spec, options))
    return nn.Sequential(layers[0], layers[1], nn.Flatten(0), nn.Linear(8, 2))


class Detached(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach()) + x.sum(dim=(1, 2, 3))[:, None]


class Smoothing(nn.Sequential):
    """Sets each batch against a mean of those before, which it keeps as a plain attribute."""

    mean: Any = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return super().forward(x - self.mean)


class Deaf(nn.Module):
    """Takes scores and ignores them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, scores: Tensor) -> Tensor:
        made: Tensor = self.network(x)
        return made


RESUMES = "a_training_resumes_exactly"
BROKEN_BACKBONES = [
    (replace(BACKBONE, name="den-se"), "name_and_description_can_be_shown"),
    (replace(BACKBONE, description=" "), "name_and_description_can_be_shown"),
    (replace(BACKBONE, description="two\nlines"), "name_and_description_can_be_shown"),
    (replace(BACKBONE, options=Thawed), "options_are_frozen_described_and_bounded"),
    (replace(BACKBONE, options=Undescribed), "options_are_frozen_described_and_bounded"),
    (replace(BACKBONE, options=Unbounded), "options_are_frozen_described_and_bounded"),
    (replace(BACKBONE, options=Required), "options_are_frozen_described_and_bounded"),
    (networks(generator=functools.partial(generator)), "code_can_be_fingerprinted"),
    (replace(BACKBONE, pack=0), "default_pack_is_a_number_of_images"),
    (
        networks(generator=lambda s, o: generator(replace(s, image_size=2 * s.image_size), o)),
        "images_and_logits_have_the_promised_shapes",
    ),
    (
        networks(generator=lambda s, o: generator(s, o).append(nn.Flatten())),
        "images_and_logits_have_the_promised_shapes",
    ),
    (networks(discriminator=cut), "images_and_logits_have_the_promised_shapes"),
    (
        networks(generator=lambda s, o: nn.Sequential(*list(generator(s, o))[::2])),
        "images_stay_in_range",
    ),
    (networks(generator=lambda s, o: Frozen(*generator(s, o))), "noise_decides_the_image"),
    (
        networks(discriminator=lambda s, o: FirstOnly(*discriminator(s, o))),
        "every_image_of_a_pack_counts",
    ),
    (
        networks(generator=lambda s, o: with_spare(generator(s, o))),
        "gradients_reach_every_weight",
    ),
    (
        networks(discriminator=lambda s, o: Detached(*discriminator(s, o))),
        "gradient_penalties_work",
    ),
    (networks(generator=seeded), "same_seed_gives_same_weights"),
    (
        networks(generator=lambda s, o: Chancy(*generator(s, o))),
        "generator_is_deterministic_in_eval_mode",
    ),
    (
        networks(generator=lambda s, o: Batchy(*generator(s, o))),
        "generator_is_deterministic_in_eval_mode",
    ),
    (
        networks(generator=lambda s, o: nn.Sequential(Hidden(), *generator(s, o))),
        "weights_can_be_saved_and_copied",
    ),
    (
        networks(generator=lambda s, o: nets.Extra(*generator(s, o))),
        "weights_can_be_saved_and_copied",
    ),
    (
        networks(discriminator=lambda s, o: nets.sparse(discriminator(s, o))),
        "weights_can_be_saved_and_copied",
    ),
    (
        networks(generator=lambda s, o: nets.expanded(generator(s, o))),
        "weights_can_be_saved_and_copied",
    ),
    (networks(generator=lambda s, o: nets.Counting(s)), "a_training_resumes_exactly"),
    (networks(discriminator=lambda s, o: Smoothing(*discriminator(s, o))), RESUMES),
    (
        replace(nets.CONDITIONAL, generator=lambda s, o: Deaf(generator(s, o))),
        "scores_decide_image_and_logits",
    ),
    (
        replace(nets.CONDITIONAL, discriminator=lambda s, o: Deaf(discriminator(s, o))),
        "scores_decide_image_and_logits",
    ),
]


def logs(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return -(1 - torch.sigmoid(fake - real)).log().mean()


def first_heavy(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return critic(real, fake, targets, options) + (fake - real)[0].mean()


def reads_real_targets(real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
    return nn.functional.softplus(fake - targets.real * real).mean()


class Rising:
    """A loss that grows from call to call."""

    calls = 0

    def __call__(self, real: Tensor, fake: Tensor, targets: Any, options: Any) -> Tensor:
        self.calls += 1
        return self.calls * critic(real, fake, targets, options)


def reads_none(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    return critic(real, fake, targets, options)


def reads_none_back(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    return forger(real, fake, targets, options)


def weighs_by_noise(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    return (step.noise.norm(dim=1, keepdim=True) * nn.functional.softplus(real - fake)).mean()


def single_channel(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    return forger(real, fake, targets, options) - step.fake.view(len(fake), 8, 8).std()


BROKEN_LOSSES = [
    *(
        (
            replace(LOSS, discriminator=reads_none, generator=generator, reads=frozenset({named})),
            "packs_of_images_work",
        )
        for named, generator in (("noise", weighs_by_noise), ("images", single_channel))
    ),
    (replace(LOSS, discriminator=Rising()), "equal_inputs_give_equal_values"),
    *(
        (
            replace(
                LOSS, discriminator=reads_none, generator=reads_none_back, reads=frozenset({named})
            ),
            "reads_the_images_and_the_noise_that_it_names",
        )
        for named in ("images", "noise")
    ),
    (
        replace(LOSS, discriminator=lambda a, b, t, o: (b - a).mean(1)),
        "value_is_a_finite_scalar",
    ),
    (replace(LOSS, discriminator=logs), "large_logits_overflow_nothing"),
    (
        replace(LOSS, generator=lambda a, b, t, o: forger(a, b.detach(), t, o)),
        "gradients_reach_the_logits",
    ),
    (replace(LOSS, discriminator=forger), "each_side_wants_the_opposite"),
    (replace(LOSS, generator=critic), "each_side_wants_the_opposite"),
    (replace(LOSS, discriminator=first_heavy), "order_within_the_batch_is_nothing"),
    (
        replace(LOSS, generator=lambda a, b, t, o: (a - b).exp().sum()),
        "batch_size_is_nothing",
    ),
    (
        replace(LOSS, targets=frozenset({"real"})),
        "reads_the_targets_that_it_names_and_no_others",
    ),
    (
        replace(LOSS, discriminator=reads_real_targets),
        "reads_the_targets_that_it_names_and_no_others",
    ),
    (replace(LOSS, generator_needs_real=False), "generator_reads_real_logits_if_it_says_so"),
    (
        replace(LOSS, generator=lambda a, b, t, o: -b.mean()),
        "generator_reads_real_logits_if_it_says_so",
    ),
]


def backward_inside(d: nn.Module, real: Tensor, fake: Tensor, rng: Any, o: Any) -> Tensor:
    torch.autograd.backward(d(real).square().mean())
    return d(real).square().mean()


def in_place(d: nn.Module, real: Tensor, fake: Tensor, rng: Any, o: Any) -> Tensor:
    return d(real.mul_(0.5)).square().mean()


def own_chance(d: nn.Module, real: Tensor, fake: Tensor, rng: Any, o: Any) -> Tensor:
    return d(real + torch.randn_like(real)).square().mean()


BROKEN_PENALTIES = [
    (replace(PENALTY, options=NoOptions), "options_have_weight_and_interval"),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: d(r).square().flatten()),
        "value_is_a_finite_scalar",
    ),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: d(r).square().mean().detach()),
        "gradients_reach_the_discriminator",
    ),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: 0 * d(r).mean()),
        "gradients_reach_the_discriminator",
    ),
    (replace(PENALTY, value=backward_inside), "leaves_no_trace"),
    (replace(PENALTY, value=in_place), "leaves_no_trace"),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: d(f).square().mean()),
        "does_not_train_the_generator",
    ),
    (replace(PENALTY, value=own_chance), "chance_comes_from_the_given_generator_alone"),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: o.weight * d(r).square().mean()),
        "value_is_unweighted",
    ),
    (
        replace(PENALTY, value=lambda d, r, f, g, o: o.every * d(r).square().mean()),
        "value_is_unweighted",
    ),
]


def writes(images: Tensor, draws: Tensor, options: Any) -> Tensor:
    return images.mul_(0.5) + draws[:, :, None, None]


BROKEN_AUGMENTATIONS = [
    (replace(DIM, apply=lambda x, d, o: x[..., 1:]), "images_keep_shape_and_type"),
    (replace(DIM, apply=lambda x, d, o: dim(x, d, o).float()), "images_keep_shape_and_type"),
    (replace(DIM, apply=lambda x, d, o: dim(x, d, o) / 0), "images_keep_shape_and_type"),
    (
        replace(DIM, apply=lambda x, d, o: dim(x, d, o) - x.mean()),
        "each_image_is_changed_by_itself",
    ),
    (
        replace(DIM, apply=lambda x, d, o: dim(x, torch.rand_like(d), o)),
        "its_chance_is_its_draws",
    ),
    (replace(DIM, apply=lambda x, d, o: x), "draws_make_a_difference"),
    (replace(DIM, apply=lambda x, d, o: x / 2), "draws_make_a_difference"),
    (replace(DIM, apply=writes), "images_and_draws_are_left_alone"),
    (
        replace(DIM, apply=lambda x, d, o: dim(x, d.clamp_(max=0.5), o)),
        "images_and_draws_are_left_alone",
    ),
    (replace(DIM, apply=lambda x, d, o: dim(x, d, o).detach()), "gradients_reach_the_images"),
    (
        replace(DIM, apply=lambda x, d, o: torch.where(d[:, :, None, None] < 0.5, 0 * x, x)),
        "gradients_reach_the_images",
    ),
    (
        replace(DIM, apply=lambda x, d, o: dim(x, d, Dimming())),
        "an_option_off_its_default_counts",
    ),
]


def overwrites(a: Any, b: Any) -> float:
    b[0] = a[0]
    return mae(a, b)


def directed(a: Any, b: Any) -> float:
    return mae(a, b) / (1 + float(a.mean()))


BROKEN_PAIR_METRICS = [
    (replace(MAE, title=""), "can_be_shown"),
    (replace(MAE, better="larger"), "can_be_shown"),
    (replace(MAE, channels=frozenset({2})), "can_be_shown"),
    (replace(MAE, bounds=(0, 1)), "value_is_a_float_within_bounds"),
    (
        replace(MAE, value=lambda a, b: np.float64(mae(a, b))),
        "value_is_a_float_within_bounds",
    ),
    (
        replace(MAE, value=lambda a, b: mae(a[8:], b[8:]) if len(a) > 8 else np.nan, min_size=8),
        "smallest_frames_work",
    ),
    (replace(MAE, identical=1.0), "identical_frames_have_the_stated_value"),
    (replace(MAE, value=directed), "symmetric_exactly_if_said"),
    (replace(MAE, symmetric=False), "symmetric_exactly_if_said"),
    (replace(MAE, better="higher"), "gets_worse_with_growing_noise"),
    (replace(MAE, value=lambda a, b: 0.0), "gets_worse_with_growing_noise"),
    (replace(MAE, compare=None), "batched_values_are_the_single_ones"),
    (
        replace(MAE, compare=lambda a, b: compare(a, b).T),
        "batched_values_are_the_single_ones",
    ),
    (
        replace(MAE, compare=lambda a, b: compare(a, b).astype(np.float32)),
        "batched_values_are_the_single_ones",
    ),
    (
        replace(MAE, compare=lambda a, b: compare(a, b) * 1.001),
        "batched_values_are_the_single_ones",
    ),
]


def centres(a: Any, b: Any) -> float:
    a -= b.mean(0)
    return float(np.linalg.norm(a.mean(0)))


def undefined_for_few(a: Any, b: Any) -> float:
    return mean_gap(a, b) if len(a) > 2 else np.nan


BROKEN_SET_METRICS = [
    (replace(GAP, bounds=(-1, 1)), "value_is_a_float_within_bounds"),
    (replace(GAP, identical=1.0), "identical_sets_have_the_stated_value"),
    (
        replace(GAP, value=lambda a, b: float(abs(a[0] - b[0]).sum())),
        "order_of_frames_is_nothing",
    ),
    (replace(GAP, better="higher"), "gets_worse_with_distance"),
    (replace(GAP, value=centres), "features_are_left_alone"),
    (replace(GAP, value=undefined_for_few), "fewest_frames_work"),
    (replace(GAP, min_frames=0), "fewest_frames_work"),
    (
        replace(GAP, grouped_by="patient", value=lambda a, b, *groups: mean_gap(a, b)),
        "groups_count_and_their_numbers_do_not",
    ),
    (
        replace(GAP, grouped_by="clip", value=lambda a, b, *groups: float(groups[0].sum())),
        "groups_count_and_their_numbers_do_not",
    ),
]


def changed(change: Callable[[Any, Any], Any]) -> FeatureExtractor:
    """An extractor whose features are changed by a function of frames and features."""

    def build(device: str) -> Any:
        extract = levels(device)
        return lambda frames: change(frames, extract(frames))

    return replace(LEVELS, build=build)


def drawn(device: str) -> Any:
    extract, shift = levels(device), np.float32(np.random.default_rng().uniform(1, 2))
    return lambda frames: extract(frames) * shift


def darkens(frames: Any, features: Any) -> Any:
    frames[0] = 0
    return features


def numbered(frames: Any, features: Any) -> Any:
    return features * np.arange(1, len(frames) + 1, dtype=np.float32)[:, None]


def no_weights() -> list[Path]:
    return [Path("/nowhere/weights.bin")]


BROKEN_FEATURES = [
    (replace(LEVELS, licence=" "), "can_be_shown"),
    (replace(LEVELS, size=0), "can_be_shown"),
    (replace(LEVELS, min_size=0), "can_be_shown"),
    (replace(LEVELS, size=4), "features_are_finite_float32"),
    (changed(lambda x, f: f.astype(np.float64)), "features_are_finite_float32"),
    (changed(lambda x, f: f * np.float32(np.nan)), "features_are_finite_float32"),
    (changed(lambda x, f: f.tolist()), "features_are_finite_float32"),
    (changed(lambda x, f: f[:, :3] if x.shape[1] > 9 else f[:, :2]), "smallest_frames_work"),
    (changed(lambda x, f: np.ones_like(f)), "frames_differ_in_their_features"),
    (changed(lambda x, f: f - f.mean(0)), "number_of_frames_is_nothing"),
    (changed(numbered), "order_of_frames_is_nothing"),
    (replace(LEVELS, build=drawn), "built_again_it_is_the_same"),
    (changed(darkens), "frames_are_left_alone"),
    (replace(LEVELS, weights=no_weights), "weights_can_be_read"),
]


def gate(check: Callable[..., Any], **more: Any) -> Gate:
    return replace(GATE, check=check, **more)


def passes_all(candidate: Any, current: Any, options: Any) -> Verdict:
    return no_twins(candidate, current, options).model_copy(update={"passed": True})


def passes_none(candidate: Any, current: Any, options: Any) -> Verdict:
    verdict = no_twins(candidate, current, options)
    return verdict.model_copy(update={"passed": not verdict.measured})


def pretends(candidate: Any, current: Any, options: Any) -> Verdict:
    return no_twins(candidate, current, options).model_copy(update={"measured": True})


JUDGED: list[Any] = []


def remembers(candidate: Any, current: Any, options: Any) -> Verdict:
    JUDGED.append(candidate)
    return Verdict(passed=True, reason=f"number {len(JUDGED)}")


def draws(candidate: Any, current: Any, options: Any) -> Verdict:
    return Verdict(passed=bool(np.random.default_rng().integers(2)), reason="a coin")


def reads_a_file(candidate: Any, current: Any, options: Any) -> Verdict:
    with open("/dev/null") as file:
        return Verdict(passed=True, reason=f"read {file.read()!r}")


def changes(candidate: Any, current: Any, options: Any) -> Verdict:
    candidate.values[0].ceilings["noise"] = 1.0
    return no_twins(candidate, current, options)


def ignores_options(candidate: Any, current: Any, options: Any) -> Verdict:
    return no_twins(candidate, current, Limit())


def beside_the_last(candidate: Any, current: Any, options: Any) -> Verdict:
    if current is not None:
        JUDGED.append(candidate)
    return Verdict(passed=True, reason=f"number {len(JUDGED) if current else 0}")


def believes_the_current(candidate: Any, current: Any, options: Any) -> Verdict:
    if current is None:
        return Verdict.not_measured("there is no current model")
    return Verdict(passed=True, reason="there is one")


BROKEN_GATES = [
    (gate(beside_the_last), "the_same_model_gets_the_same_verdict"),
    (gate(believes_the_current), "what_cannot_be_measured_is_said_so"),
    (gate(lambda c, o, x: c.score > 1), "verdict_has_an_outcome_and_a_reason"),
    (
        gate(lambda c, o, x: Verdict(passed=True, reason="")),
        "verdict_has_an_outcome_and_a_reason",
    ),
    (
        gate(lambda c, o, x: Verdict(passed=True, reason="two\nlines")),
        "verdict_has_an_outcome_and_a_reason",
    ),
    (gate(passes_all), "some_models_pass_and_some_do_not"),
    (gate(passes_none), "some_models_pass_and_some_do_not"),
    (gate(pretends), "what_cannot_be_measured_is_said_so"),
    (gate(remembers), "the_same_model_gets_the_same_verdict"),
    (gate(draws), "the_same_model_gets_the_same_verdict"),
    (gate(reads_a_file), "it_decides_by_the_candidates_alone"),
    (gate(changes), "it_decides_by_the_candidates_alone"),
    (gate(ignores_options), "every_option_counts"),
]


def preset(**more: Any) -> Preset:
    return replace(PRESET, **more)


class Growing(UserDict[str, Any]):
    """Settings with a longer training each time that they are read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        self.reads += 1
        return {"iterations": self.reads}


BROKEN_PRESETS = [
    (preset(settings={"training": {"iteration": 3}}), "settings_are_options_of_a_run"),
    (preset(based_on="demmo"), "settings_are_options_of_a_run"),
    (preset(settings={"training": {"betas": (0.0, 0.9)}}), "settings_are_plain"),
    (preset(settings={"training": {"seed": np.int64(3)}}), "settings_are_plain"),
    (preset(deviations="One sentence."), "settings_are_plain"),
    (preset(settings=Growing(training={"iterations": 3})), "it_is_the_same_every_time"),
    (preset(settings={"runtime": {"threads": 1}}), "it_says_nothing_of_the_machine"),
]


def exporter(opened: Any = Raw, **more: Any) -> Exporter:
    return replace(EXPORTER, open=opened, **more)


class Silent(Raw):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.data = bytearray()


class Outside(Raw):
    def finish(self) -> Any:
        self.folder.put("../all.raw", bytes(self.data))
        return ["../all.raw"]


class Around(Raw):
    def finish(self) -> Any:
        with open("all.raw", "wb") as file:
            file.write(self.data)
        return super().finish()


class Twice(Raw):
    def finish(self) -> Any:
        super().finish()
        return super().finish()


class Text(Raw):
    def finish(self) -> Any:
        self.folder.put("all.raw", self.data.hex())
        return ["all.raw"]


class Untold(Raw):
    def finish(self) -> Any:
        super().finish()
        return []


class Stamped(Raw):
    def finish(self) -> Any:
        self.data += str(int(time.time())).encode()
        return super().finish()


class Shared(Raw):
    frames: list[Any] = []  # noqa: RUF012 - that is the fault

    def add(self, frame: Any) -> None:
        super().add(frame)
        self.frames.append(frame)
        self.data += str(len(self.frames)).encode()


class FirstFrame(Raw):
    def add(self, frame: Any) -> None:
        if len(self.data) == len(self.told.statement):
            super().add(frame)


class Overwrites(Raw):
    def add(self, frame: Any) -> None:
        frame[0] = 0
        super().add(frame)


class Unswitched(Raw):
    def add(self, frame: Any) -> None:
        self.data += frame.tobytes()


class AlwaysSynthetic(Raw):
    def finish(self) -> Any:
        self.data += b"Synthetic frames by lusgan"
        return super().finish()


class Backwards(Raw):
    """A file a frame, told from the last to the first."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.names: list[str] = []

    def add(self, frame: Any) -> None:
        self.names.append(f"{len(self.names)}.raw")
        self.folder.put(self.names[-1], self.told.statement.encode() + frame.tobytes())

    def finish(self) -> Any:
        return self.names[::-1]


OWN_FILES = "files_are_its_own_and_told"
BROKEN_EXPORTERS = [
    *((exporter(kind), OWN_FILES) for kind in (Outside, Around, Twice, Text, Untold, Overwrites)),
    (exporter(lambda folder, told, options: None), OWN_FILES),
    (exporter(file_per_frame=True), OWN_FILES),
    (exporter(Silent), "every_file_says_that_frames_are_synthetic"),
    (exporter(AlwaysSynthetic), "real_frames_are_not_called_synthetic"),
    (exporter(Backwards, file_per_frame=True), "names_follow_the_frames"),
    (exporter(Stamped), "the_same_frames_give_the_same_bytes"),
    (exporter(Shared), "exports_know_nothing_of_each_other"),
    (exporter(FirstFrame), "every_frame_counts"),
    (exporter(Unswitched), "every_option_counts"),
]


class Unread(Options):
    """Options that no record of these reads."""

    share: float = Field(0.5, gt=0, lt=1, description="Between bounds that it cannot have")
    only_late: bool = Field(False, description="A switch")


class UnreadPenalty(Unread, PenaltyOptions):
    """The same for a penalty."""


def blind(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes options last and ignores them."""
    return lambda *given: function(*given[:-1])


UNREAD: dict[type[RecordContract], Any] = {
    BackboneContract: replace(BACKBONE, options=Unread),
    LossContract: replace(LOSS, options=Unread),
    PenaltyContract: replace(PENALTY, options=UnreadPenalty),
    PairMetricContract: replace(
        MAE, value=blind(mae), prepare=blind(prepare), compare=blind(compare), options=Unread
    ),
    SetMetricContract: replace(GAP, value=blind(mean_gap), options=Unread),
    FeatureExtractorContract: replace(LEVELS, build=blind(levels), options=Unread),
    ExporterContract: replace(EXPORTER, options=Unread, open=Unswitched),
    GateContract: gate(ignores_options),
}


@pytest.mark.parametrize("suite", UNREAD)
def test_options_that_nobody_reads_are_caught(suite: type[RecordContract]) -> None:
    """Of every kind that has options, unless the author says that they change nothing."""
    record = UNREAD[suite]
    with pytest.raises(AssertionError, match=r"option \w+ changes no .*idle_options"):
        run(suite, record, "test_every_option_counts")
    idle = frozenset(record.options.model_fields)
    run(suite, record, "test_every_option_counts", idle_options=idle)


def late(real: Tensor, fake: Tensor, targets: Any, step: Any, options: Any) -> Tensor:
    weight = options.share if step.iteration > 500 and options.only_late else 2 * options.share
    return weight * critic(real, fake, targets, options)


def test_options_that_count_late_in_a_training_count() -> None:
    """A switch that only works after so many iterations is no idle one."""
    reads = frozenset({"iteration"})
    record = replace(
        LOSS, discriminator=late, generator=reads_none_back, options=Unread, reads=reads
    )
    run(LossContract, record, "test_every_option_counts")


@pytest.mark.parametrize(
    ("suite", "record", "name"),
    [
        (suite, record, name)
        for suite, broken in (
            (BackboneContract, BROKEN_BACKBONES),
            (LossContract, BROKEN_LOSSES),
            (PenaltyContract, BROKEN_PENALTIES),
            (AugmentationContract, BROKEN_AUGMENTATIONS),
            (PairMetricContract, BROKEN_PAIR_METRICS),
            (SetMetricContract, BROKEN_SET_METRICS),
            (GateContract, BROKEN_GATES),
            (PresetContract, BROKEN_PRESETS),
            (ExporterContract, BROKEN_EXPORTERS),
            (FeatureExtractorContract, BROKEN_FEATURES),
        )
        for record, name in broken
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_broken_records_are_caught(suite: type[RecordContract], record: Any, name: str) -> None:
    """A record broken in one way fails the test that is there for it, with a text that says so."""
    with pytest.raises(AssertionError) as caught:
        run(suite, record, f"test_{name}")
    assert len(str(caught.value)) > 10


def test_writing_to_frames_is_caught() -> None:
    """A metric that writes to its frames meets read-only ones, and numpy refuses."""
    with pytest.raises(ValueError, match="read-only"):
        run(PairMetricContract, replace(MAE, value=overwrites), "test_frames_are_left_alone")


def test_every_test_is_shown_to_fail() -> None:
    """No test of a suite is without a broken record that it catches."""
    caught = {name for _, name in (
        *BROKEN_BACKBONES, *BROKEN_LOSSES, *BROKEN_PENALTIES,
        *BROKEN_PAIR_METRICS, *BROKEN_SET_METRICS, *BROKEN_FEATURES,
        *BROKEN_GATES, *BROKEN_PRESETS, *BROKEN_EXPORTERS, *BROKEN_AUGMENTATIONS,
    )} | {"frames_are_left_alone"}  # fmt: skip
    every = {name.removeprefix("test_") for suite in GOOD for name in names_of(suite)}
    assert every == caught


def test_suites_import_without_pytest() -> None:
    """The suites are part of the library, which does not depend on pytest."""
    import subprocess
    import sys

    code = "import sys; sys.modules['pytest'] = None; import lusgan_core.testing"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lazy_penalty_options_are_inherited() -> None:
    """PenaltyOptions themselves pass the options test that every record's must."""
    assert issubclass(PENALTY.options, PenaltyOptions)
    run(PenaltyContract, PENALTY, "test_options_are_frozen_described_and_bounded")


class Level(Options):
    """Options of a metric and of an extractor."""

    factor: float = Field(1.0, ge=0, le=10, description="Factor of the values")


def test_suites_give_options_and_device_to_who_asks_for_them() -> None:
    """Metrics and extractors with options are tried with their defaults, on the CPU."""

    def pair(a: Any, b: Any, options: Level, *, device: str) -> float:
        assert device == "cpu"
        return options.factor * mae(a, b)

    def of_sets(a: Any, b: Any, options: Level) -> float:
        return options.factor * mean_gap(a, b)

    def build(device: str, options: Level) -> Any:
        return lambda frames: levels(device)(frames) * np.float32(options.factor)

    many = replace(
        MAE,
        value=pair,
        prepare=lambda frames, options, device: prepare(frames) * options.factor,
        compare=lambda a, b, options, device: compare(a, b),
        options=Level,
        uses_device=True,
    )
    for suite, record in (
        (PairMetricContract, many),
        (SetMetricContract, replace(GAP, value=of_sets, options=Level)),
        (FeatureExtractorContract, replace(LEVELS, build=build, options=Level)),
    ):
        for name in names_of(suite):
            run(suite, record, name)
