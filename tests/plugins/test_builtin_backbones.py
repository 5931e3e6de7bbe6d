"""The built-in backbones against their contract and, layer by layer, against their sources."""

from __future__ import annotations

from itertools import pairwise, product
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from lusgan_backbones import dcgan, pacgan2, selu_sn
from lusgan_backbones.blocks import GaussianNoise
from lusgan_core.api import ConfigError, NetworkSpec
from lusgan_core.testing import BackboneContract

PAPER = NetworkSpec(image_size=256, channels=3, latent_size=128, pack=2)
CODE = NetworkSpec(image_size=256, channels=1, latent_size=128, pack=1)


class TestContract(BackboneContract):
    """Every built-in backbone keeps the contract, with default and with other options."""

    @pytest.fixture(
        autouse=True,
        params=[
            (pacgan2.BACKBONE, {}),
            (pacgan2.BACKBONE, {"dropout": 0.5, "noise": 0.1}),
            (dcgan.BACKBONE, {}),
            (dcgan.BACKBONE, {"width": 16, "dropout": 0, "discriminator_norm": "none"}),
            (dcgan.BACKBONE, {"width": 8, "noise": 0.2, "generator_norm": "none"}),
            (selu_sn.BACKBONE, {}),
            (selu_sn.BACKBONE, {"width": 16, "max_width": 64}),
            (selu_sn.BACKBONE, {"width": 8, "dropout": 0.1, "noise": 0.1}),
        ],
        ids=lambda case: case[0].name + "".join(f"-{k}" for k in case[1]),
    )
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.record, options = request.param
        self.record_options = self.record.options(**options)
        if options:
            self.specs = self.specs[:3]  # large images once a backbone are enough


def layers(network: nn.Module) -> list[str]:
    """One line a layer: its type; for a convolution channels, kernel, stride, padding, bias."""
    words = []
    for module in network:
        word = type(module).__name__
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            word += f" {module.in_channels}->{module.out_channels} k{module.kernel_size[0]}"
            word += f" s{module.stride[0]} p{module.padding[0]}"
            word += " bias" if module.bias is not None else ""
        elif isinstance(module, nn.BatchNorm2d):
            word += f" {module.num_features}"
        elif isinstance(module, nn.LeakyReLU):
            word += f" {module.negative_slope}"
        elif isinstance(module, nn.Dropout2d):
            word += f" {module.p}"
        words.append(word)
    return words


def weights(network: nn.Module, kind: type[nn.Module] = nn.Module) -> int:
    """Number of weights in the layers of a kind."""
    return sum(
        p.numel() for m in network if isinstance(m, kind) for p in m.parameters(recurse=False)
    )


def test_pacgan2_generator_is_figure_1() -> None:
    """At 256 x 256 x 3 the generator has the layers of Figure 1, its last one making the image."""
    expected = ["Unflatten", "ConvTranspose2d 128->1024 k4 s1 p0", "BatchNorm2d 1024", "ReLU"]
    for width in (512, 256, 128, 64, 32):
        expected += [
            f"ConvTranspose2d {2 * width}->{width} k4 s2 p1",
            f"BatchNorm2d {width}",
            "ReLU",
        ]
    expected += ["ConvTranspose2d 32->3 k4 s2 p1", "Tanh"]
    assert layers(pacgan2.generator(PAPER, pacgan2.PacGan2Options())) == expected


def test_pacgan2_discriminator_is_figure_1() -> None:
    """At 256 x 256 x 3, packed by two, it is 6-32-64-128-64-32-16-1: 0.34M weights, 4 logits."""
    network = pacgan2.discriminator(PAPER, pacgan2.PacGan2Options())
    expected = []
    for i, (before, width) in enumerate(
        [(6, 32), (32, 64), (64, 128), (128, 64), (64, 32), (32, 16)]
    ):
        expected.append(f"Conv2d {before}->{width} k4 s2 p1")
        expected += [f"BatchNorm2d {width}"] if i >= 2 else []
        expected.append("LeakyReLU 0.2")
    expected += ["Conv2d 16->1 k4 s2 p1", "Flatten"]
    assert layers(network) == expected
    assert weights(network, nn.Conv2d) == 339_200
    assert network(torch.zeros(2, 6, 256, 256)).shape == (2, 4)
    assert pacgan2.BACKBONE.pack == 2


@pytest.mark.parametrize(
    ("size", "generator_widths", "discriminator_widths"),
    [
        (32, [1024, 512, 256], [64, 32, 16]),
        (64, [1024, 512, 256, 128], [128, 64, 32, 16]),
        (128, [1024, 512, 256, 128, 64], [64, 128, 64, 32, 16]),
        (512, [1024, 512, 256, 128, 64, 32, 16], [16, 32, 64, 128, 64, 32, 16]),
    ],
)
def test_pacgan2_changes_size_next_to_the_image(
    size: int, generator_widths: list[int], discriminator_widths: list[int]
) -> None:
    """Other sizes than the figure's drop or add the layers nearest to the image, on both sides."""
    spec = NetworkSpec(size, 1, 16, 2)
    generator = pacgan2.generator(spec, pacgan2.PacGan2Options())
    discriminator = pacgan2.discriminator(spec, pacgan2.PacGan2Options())
    up = [m.out_channels for m in generator if isinstance(m, nn.ConvTranspose2d)]
    down = [m.out_channels for m in discriminator if isinstance(m, nn.Conv2d)]
    assert up == [*generator_widths, 1]
    assert down == [*discriminator_widths, 1]
    with torch.no_grad():
        images = generator(torch.randn(2, 16))
        assert images.shape == (2, 1, size, size)
        assert discriminator(images.reshape(1, 2, size, size)).shape == (1, 4)


def test_dcgan_discriminator_is_the_codes() -> None:
    """At 256 x 256 grey it is 1-32-64-...-1024-1, no batch norm on the 64, 11.2M weights."""
    network = dcgan.discriminator(CODE, dcgan.DcganOptions())
    expected = []
    for i, (before, width) in enumerate(
        [(1, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    ):
        expected.append(f"Conv2d {before}->{width} k4 s2 p1")
        expected += [f"BatchNorm2d {width}"] if i >= 2 else []
        expected.append("LeakyReLU 0.2")
    expected += ["Conv2d 1024->1 k4 s1 p0", "Flatten"]
    assert layers(network) == expected
    assert weights(network, nn.Conv2d) == 11_190_784


def test_dcgan_generator_is_the_codes() -> None:
    """At 256 x 256 grey it is 1024-512-256-128-64-32-1 with dropout 0.5 after each block."""
    expected = ["Unflatten"]
    before, stride_padding = 128, "s1 p0"
    for width in (1024, 512, 256, 128, 64, 32):
        expected += [
            f"ConvTranspose2d {before}->{width} k4 {stride_padding}",
            f"BatchNorm2d {width}",
            "ReLU",
            "Dropout2d 0.5",
        ]
        before, stride_padding = width, "s2 p1"
    expected += ["ConvTranspose2d 32->1 k4 s2 p1", "Tanh"]
    assert layers(dcgan.generator(CODE, dcgan.DcganOptions())) == expected


def test_dcgan_without_norm_has_biases_in_its_place() -> None:
    """Switching batch norm off leaves no batch norm, and a bias wherever one was."""
    spec = NetworkSpec(64, 1, 64, 1)
    options = dcgan.DcganOptions(width=16, discriminator_norm="none", generator_norm="none")
    for network in (dcgan.generator(spec, options), dcgan.discriminator(spec, options)):
        assert not any(isinstance(m, nn.BatchNorm2d) for m in network)
    with_bias = [word.endswith("bias") for word in layers(dcgan.discriminator(spec, options))]
    assert sum(with_bias) == 2
    assert sum(w.endswith("bias") for w in layers(dcgan.generator(spec, options))) == 4


def test_first_weights_of_the_reports_networks_are_dcgans() -> None:
    """Convolutions start as normal(0, 0.02), batch norm's scale as normal(1, 0.02)."""
    torch.manual_seed(0)
    generator = pacgan2.generator(PAPER, pacgan2.PacGan2Options())
    discriminator = pacgan2.discriminator(PAPER, pacgan2.PacGan2Options())
    for layer in (*generator, *discriminator):
        if isinstance(layer, nn.ConvTranspose2d | nn.Conv2d) and layer.weight.numel() > 3_000:
            assert abs(layer.weight.std().item() / 0.02 - 1) < 0.03
            assert abs(layer.weight.mean().item()) < 1e-3
        if isinstance(layer, nn.BatchNorm2d) and layer.num_features >= 512:
            assert abs(layer.weight.std().item() / 0.02 - 1) < 0.1
            assert abs(layer.weight.mean().item() - 1) < 3e-3
            assert not layer.bias.any()


def test_layers_before_batch_norm_start_as_dcgans() -> None:
    """A dcgan's layers that batch norm follows keep normal(0, 0.02)."""
    torch.manual_seed(0)
    options = dcgan.DcganOptions()
    for network in (dcgan.generator(CODE, options), dcgan.discriminator(CODE, options)):
        normalised = [a for a, b in pairwise(network) if isinstance(b, nn.BatchNorm2d)]
        assert len(normalised) >= 4
        for layer in normalised:
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)


def sizes(network: nn.Module, x: torch.Tensor) -> list[float]:
    """Root mean square of what comes out of each activation, and of the logits."""
    found = []
    with torch.no_grad():
        for layer in network:
            x = layer(x)
            if isinstance(layer, nn.ReLU | nn.LeakyReLU | nn.SELU | nn.Tanh | nn.Flatten):
                found.append(x.square().mean().sqrt().item())
    return found


NORMS = ("batch", "none")


@pytest.mark.parametrize(
    ("module", "options"),
    [
        *(
            (dcgan, {"generator_norm": g, "discriminator_norm": d, "dropout": p, "noise": n})
            for g, d, p, n in product(NORMS, NORMS, (0.0, 0.5), (0.0, 0.2))
        ),
        *((selu_sn, {"dropout": p, "noise": n}) for p, n in product((0.0, 0.3), (0.0, 0.2))),
        *((pacgan2, {"dropout": p, "noise": n}) for p, n in product((0.0, 0.5), (0.0, 0.2))),
    ],
    ids=lambda value: (
        value.__name__ if isinstance(value, ModuleType) else "-".join(map(str, value.values()))
    ),
)
def test_signals_keep_their_size(module: Any, options: dict[str, Any]) -> None:
    """With first weights a signal neither fades nor grows from layer to layer, in training mode.

    The report's discriminator starts as published: its first two layers, without batch norm, make
    signals small, and the first batch norm puts that right.
    """
    torch.manual_seed(0)
    spec = NetworkSpec(image_size=64, channels=1, latent_size=96, pack=module.BACKBONE.pack)
    options = module.BACKBONE.options(**options)
    generator, discriminator = module.generator(spec, options), module.discriminator(spec, options)
    noise, images = torch.randn(16, 96), torch.randn(16, spec.pack, 64, 64)
    made, judged = sizes(generator, noise), sizes(discriminator, images)
    assert len(made) == 5
    assert len(judged) == 5
    if module is pacgan2:
        del judged[:2]
    for found in (made, judged):
        assert all(0.15 < one < 1.5 for one in found), found
        assert all(0.4 < b / a < 2 for a, b in pairwise(found[:-1])), found


@pytest.mark.parametrize("size", [32, 128, 256])
def test_the_last_signals_do_not_depend_on_depth(size: int) -> None:
    """Logits and images have the same size whatever number of layers is before them."""
    torch.manual_seed(0)
    spec = NetworkSpec(image_size=size, channels=1, latent_size=96, pack=1)
    options = dcgan.DcganOptions(width=8, generator_norm="none", discriminator_norm="none")
    made = sizes(dcgan.generator(spec, options), torch.randn(8, 96))
    judged = sizes(dcgan.discriminator(spec, options), torch.randn(8, 1, size, size))
    assert 0.4 < made[-1] < 0.8
    assert 0.4 < judged[-1] < 1.6


def test_selu_sn_follows_latent_and_size() -> None:
    """Its widths are read off the image size, with the source's 4096 at 256 pixels if asked for."""
    source = selu_sn.SeluSnOptions(width=128, max_width=4096)
    assert selu_sn.widths_from_image(CODE, source) == [128, 256, 512, 1024, 2048, 4096]
    assert selu_sn.widths_from_image(NetworkSpec(32, 1, 9, 1), source) == [128, 256, 512]
    small = selu_sn.generator(NetworkSpec(32, 1, 9, 1), selu_sn.SeluSnOptions(width=8))
    assert small[0].in_features == 9


def test_selu_sn_discriminator_is_spectrally_normal() -> None:
    """After some steps of power iteration every layer's largest singular value is 1."""
    torch.manual_seed(0)
    spec = NetworkSpec(32, 1, 9, 1)
    network = selu_sn.discriminator(spec, selu_sn.SeluSnOptions(width=8, max_width=16))
    for _ in range(50):
        network(torch.zeros(1, 1, 32, 32))
    for layer in network.eval():
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
            assert largest.item() == pytest.approx(1, abs=0.01)


def test_selu_sn_weights_are_drawn_before_spectral_norm() -> None:
    """The weights under spectral norm are LeCun normal, so the initialisation took effect."""
    torch.manual_seed(0)
    network = selu_sn.discriminator(CODE, selu_sn.SeluSnOptions())
    for layer in network:
        if isinstance(layer, nn.Conv2d) and layer.in_channels > 1 and layer.out_channels > 1:
            original = layer.parametrizations.weight.original
            assert original.std().item() == pytest.approx(original[0].numel() ** -0.5, rel=0.02)


def test_selu_sn_keeps_unit_variance() -> None:
    """From noise to the last hidden layer activations keep a deviation near 1."""
    torch.manual_seed(0)
    network = selu_sn.generator(NetworkSpec(128, 1, 128, 1), selu_sn.SeluSnOptions())
    with torch.no_grad():
        hidden = network[:-3](torch.randn(16, 128))
    assert 0.6 < hidden.std().item() < 1.6


def test_noise_layer_adds_its_deviation_in_training_only() -> None:
    """GaussianNoise(0.3) adds noise of deviation 0.3 in train mode, nothing in eval mode."""
    torch.manual_seed(0)
    x = torch.zeros(100_000)
    layer = GaussianNoise(0.3)
    assert layer(x).std().item() == pytest.approx(0.3, rel=0.02)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize(
    "sizes", [(16, 1, 8, 1), (96, 1, 8, 1), (1024, 1, 8, 1), (64, 2, 8, 1), (64, 1, 0, 1)]
)
def test_sizes_nobody_supports_are_refused(sizes: tuple[int, int, int, int]) -> None:
    """A spec that is no power of two from 32 to 512, or has odd channels, is a ConfigError."""
    with pytest.raises(ConfigError, match="expected"):
        NetworkSpec(*sizes)
