"""What is drawn by chance: noise vectors, and which frames make up a batch."""

from __future__ import annotations

import pytest
import torch

from lusgan_core.networks.seeding import Batches, derive, generator, latent


@pytest.mark.parametrize(("count", "size"), [(18, 4), (48, 48), (7, 1), (100, 9)])
def test_an_epoch_shows_no_frame_twice(count, size):
    """Each epoch takes every frame at most once, and leaves out fewer than a batch."""
    batches = Batches(count, size, seed=5)
    for epoch in range(4):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        drawn = torch.cat([batches[step] for step in steps]).tolist()
        assert len(drawn) == len(set(drawn)) > count - size
        assert set(drawn) <= set(range(count))


def test_epochs_and_seeds_differ():
    """Each epoch and each seed has an order of its own."""
    orders = [tuple(Batches(50, 50, seed)[epoch].tolist()) for seed in (1, 2) for epoch in (0, 1)]
    assert len(set(orders)) == 4


def test_a_batch_depends_on_its_number_alone():
    """Asked for out of order, by a new object, a step's batch is the same."""
    straight = Batches(23, 5, seed=9)
    expected = [straight[step].tolist() for step in range(30)]
    for step in (29, 0, 17, 4, 17):
        assert Batches(23, 5, seed=9)[step].tolist() == expected[step]
    assert [straight[step].tolist() for step in reversed(range(30))] == expected[::-1]


def test_all_frames_are_drawn_about_equally_often():
    """Over 500 epochs that leave frames out, counts stay within 5 deviations of their mean."""
    batches = Batches(10, 4, seed=1)
    drawn = torch.cat([batches[step] for step in range(1000)])
    counts = torch.bincount(drawn, minlength=10)
    assert (counts - 400).abs().max() < 5 * (500 * 0.8 * 0.2) ** 0.5


def test_latent_vectors_depend_on_seed_and_number_alone():
    """Row i is the same whatever else is drawn, and differs between numbers and seeds."""
    together = latent(7, 0, 12, 128)
    assert together.shape == (12, 128)
    assert torch.equal(latent(7, 5, 1, 128)[0], together[5])
    assert torch.equal(latent(7, 3, 9, 128), together[3:])
    assert not torch.equal(latent(8, 0, 12, 128), together)
    assert latent(7, 4, 0, 128).shape == (0, 128)


def test_latent_vectors_are_standard_normal():
    """Mean 0, variance 1 and fourth moment 3 over 10^5 numbers, within 5 deviations."""
    drawn = latent(1, 0, 1000, 100).double()
    assert drawn.mean().item() == pytest.approx(0, abs=5 * (1e-5) ** 0.5)
    assert drawn.square().mean().item() == pytest.approx(1, abs=5 * (2e-5) ** 0.5)
    assert (drawn**4).mean().item() == pytest.approx(3, abs=5 * (96e-5) ** 0.5)


def test_purposes_and_counters_give_other_seeds():
    """Seed, purpose and step each change what is drawn; equal ones give equal numbers."""
    seeds = {derive(s, p, *c) for s in (1, 2) for p in ("a", "b") for c in ((), (0,), (1,), (0, 1))}
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)
    one, other = (torch.rand(3, generator=generator(4, "noise", 2)) for _ in range(2))
    assert torch.equal(one, other)
