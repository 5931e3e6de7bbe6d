"""The report that this project started from; it follows RelativisticGAN, with deviations."""

from __future__ import annotations

from lusgan_core.api import Preset

PRESET = Preset(
    name="paper",
    version="2",
    description="the report as published: Figure 1 and section 5, 256 x 256 grey, 4,000 "
    "iterations; wants a GPU",
    wants_gpu=True,
    settings={"selection": {"held_out": 0.01}},
    deviations=(
        "One patient is held out (one in a hundred of many), so that distances have a floor and "
        "copies can be told from likeness; the report trained on all patients, as "
        "selection.held_out=0 does.",
        "The discriminator is Figure 1's: 6-32-64-128-64-32-16-1 channels with 2 x 2 logits "
        "(0.34 million weights); the reference goes up to 1024 channels.",
        "The first two layers of the discriminator have no batch normalisation; the "
        "reference normalises all middle layers.",
        "The generator ends at the image's channels; Figure 1 ends at 16, a slip.",
        "Real images stay in 0..1 against a generator that ends in tanh (-1..1): section 5 "
        "does not normalise, and negative values are clipped to black; the reference uses "
        "-1..1.",
        "Labels are smoothed to 0.7..1.2 and 0..0.3, and each is flipped with probability "
        "0.05 (2 of 48); the reference uses plain labels.",
        "Three generator steps follow each discriminator step, at rates 4e-4 and 2e-4; the "
        "reference takes one each at 2e-4.",
        "The discriminator's rate shrinks by 0.0005 an iteration. That gives 9.2e-5 after "
        "1,550 iterations; the report's 4.6e-5 fits a start of 1e-4.",
        "4,000 iterations of 48 images; the reference takes 100,000 of 32.",
        "Seed 999 is applied to everything; the report's own code never applied it.",
        "Frames are padded to the largest frame of the whole dataset; the report's code took "
        "the largest of each score, which lets the aspect ratio give the score away.",
    ),
)
