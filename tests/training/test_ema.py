"""The average of a generator's weights, against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lusgan_core.training.ema import Average


def test_average_follows_the_written_out_formula_with_its_ramp():
    """After steps in and beyond the ramp each weight equals the float64 recursion to 1e-6."""
    torch.manual_seed(1)
    network = nn.Linear(3, 2)
    average = Average(network, half_life=20)
    expected = {name: p.detach().double().numpy() for name, p in network.named_parameters()}
    batch, half_lives = 8, []
    for step in range(1, 81):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += torch.randn_like(parameter)
        average.update(network, batch, step * batch)
        # StyleGAN2-ADA: the half-life in images is at most a twentieth of the images seen so far
        half_lives.append(min(20.0, max(1.0, 0.05 * step * batch)))
        beta = 0.5 ** (batch / half_lives[-1])
        for name, parameter in network.named_parameters():
            now = parameter.detach().double().numpy()
            expected[name] = beta * expected[name] + (1 - beta) * now
    assert half_lives[0] == 1.0
    assert half_lives[10] < half_lives[-1] == 20.0
    for name, parameter in average.network.named_parameters():
        np.testing.assert_allclose(parameter.numpy(), expected[name], rtol=0, atol=2e-6)


def test_a_weight_counts_half_after_its_half_life():
    """Beyond the ramp, weights that jump from 0 to 1 are at 0.5 after half_life images."""
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    average = Average(network, half_life=100)
    nn.init.ones_(network.weight)
    for _ in range(10):
        average.update(network, 10, seen=1_000_000)
    assert average.network.weight.item() == pytest.approx(0.5, abs=1e-6)


def test_batch_statistics_are_taken_over():
    """Buffers, counters among them, are those of the network, not an average of them."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    average = Average(network, half_life=1000)
    network(torch.randn(4, 1, 8, 8) + 5)
    average.update(network, 4, 4)
    for mine, other in zip(average.network.buffers(), network.buffers(), strict=True):
        assert torch.equal(mine, other)


def test_the_average_is_a_copy_of_its_own():
    """Training the network without an update leaves the average alone; it asks for no gradient."""
    network = nn.Linear(2, 2)
    average = Average(network, half_life=10)
    before = average.network.weight.clone()
    with torch.no_grad():
        network.weight += 1
    assert torch.equal(average.network.weight, before)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
