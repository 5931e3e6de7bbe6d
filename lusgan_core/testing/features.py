"""The contract of a feature extractor.

Shapes: N frames, H height, W width, D features a frame; frames are uint8 (N, H, W) or
(N, H, W, 3), features float32 (N, D).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import FeatureExtractor, NoOptions, Options
from lusgan_core.plugin_identity import weights_identity
from lusgan_core.testing.pair_metrics import sample_frames
from lusgan_core.testing.records import RecordContract

Frames = NDArray[np.uint8]
Features = NDArray[np.float32]
CHANNELS = (1, 3)


class FeatureExtractorContract(RecordContract):
    """The tests of a feature extractor. Set ``record``; set ``tolerance`` for coarse arithmetic."""

    record: FeatureExtractor
    tolerance: float = 1e-4
    """Tolerance of two equal features, relative to the largest feature of all frames tried."""
    device: str = "cpu"

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The function that builds the extractor, and the one that names its weights."""
        weights = self.record.weights
        return {"build": self.record.build} | ({"weights": weights} if weights else {})

    def built(self, options: Options | None = None) -> Callable[[Frames], Features]:
        """Build the extractor; without options, with the default ones."""
        if self.record.options is NoOptions:
            return self.record.build(self.device)
        return self.record.build(self.device, options or self.record.options())

    def samples(self) -> Iterator[tuple[str, Frames]]:
        """Yield sets of test frames with a name: grey and colour ones, each of six frames."""
        side = max(64, self.record.min_size)
        for channels in CHANNELS:
            yield _name(channels), np.stack(list(sample_frames(side, channels).values()))

    def close(self, one: Features, two: Features) -> bool:
        """Whether two tables of features agree.

        Args:
            one: Features of some frames.
            two: What they should equal.

        Returns:
            True if they are within tolerance.
        """
        scale = max(float(np.abs(two).max()), 1e-30)
        return one.shape == two.shape and bool(np.abs(one - two).max() <= self.tolerance * scale)

    def test_can_be_shown(self) -> None:
        """It names its licence, and its numbers are of a size that is possible."""
        record = self.record
        assert record.licence.strip(), f"{record.name}: the licence is empty"
        assert record.size >= 1, f"{record.name}: size is {record.size}, expected at least 1"
        assert record.min_size >= 1, f"{record.name}: min_size is {record.min_size}"

    def test_features_are_finite_float32(self) -> None:
        """Frames, flat ones too, have finite features of the stated number and type."""
        extract = self.built()
        for name, frames in self.samples():
            found = extract(frames)
            shape = (len(frames), self.record.size)
            assert isinstance(found, np.ndarray), f"{name}: {type(found).__name__}, not an array"
            assert found.shape == shape, f"{name} frames: {found.shape}, expected {shape}"
            assert found.dtype == np.float32, f"{name} frames: {found.dtype}, expected float32"
            assert np.isfinite(found).all(), f"{name} frames have features that are not finite"

    def test_smallest_frames_work(self) -> None:
        """Frames of ``min_size`` pixels a side have finite features."""
        extract, side = self.built(), self.record.min_size
        for channels in CHANNELS:
            frames = np.stack(list(sample_frames(side, channels).values()))
            found = extract(frames)
            shape = (len(frames), self.record.size)
            assert found.shape == shape, f"{side} pixels a side: {found.shape}, expected {shape}"
            assert np.isfinite(found).all(), f"features of {side} pixels a side are not finite"

    def test_frames_differ_in_their_features(self) -> None:
        """Frames unlike each other have different features."""
        extract = self.built()
        for name, frames in self.samples():
            found = extract(frames)
            assert not self.close(found, np.repeat(found[:1], len(found), axis=0)), (
                f"all {name} frames have the same features"
            )

    def test_number_of_frames_is_nothing(self) -> None:
        """A frame has the same features alone, with one other, and among many."""
        extract = self.built()
        for name, frames in self.samples():
            together = extract(frames)
            for size in (1, 2):
                parts = [extract(frames[n : n + size]) for n in range(0, len(frames), size)]
                assert self.close(np.concatenate(parts), together), (
                    f"{name} frames: features depend on the other frames, {size} at once against "
                    f"{len(frames)}"
                )

    def test_order_of_frames_is_nothing(self) -> None:
        """Frames in another order have their features in that order."""
        extract = self.built()
        for name, frames in self.samples():
            turned = extract(np.ascontiguousarray(frames[::-1]))[::-1]
            assert self.close(turned, extract(frames)), f"{name} frames: the order tells"

    def test_built_again_it_is_the_same(self) -> None:
        """Two extractors, and one that is asked twice, give the same features: none by chance."""
        first, second = self.built(), self.built()
        for name, frames in self.samples():
            found = first(frames)
            assert self.close(first(frames), found), f"{name} frames: asked twice, they differ"
            assert self.close(second(frames), found), f"{name} frames: built anew, they differ"

    def test_frames_are_left_alone(self) -> None:
        """Frames may be read-only, as memory-mapped ones are, and are not written to."""
        extract = self.built()
        for name, frames in self.samples():
            before = frames.copy()
            extract(frames)
            assert np.array_equal(frames, before), f"{name} frames were written to"
            frames.flags.writeable = False
            extract(frames)

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes the features of some frame."""

        def features(options: Options) -> list[tuple[tuple[int, ...], bytes]]:
            extract = self.built(options)
            found = [extract(frames) for _, frames in self.samples()]
            return [(these.shape, these.tobytes()) for these in found]

        self.check_options(features, "feature")

    def test_weights_can_be_read(self) -> None:
        """The files of weights that it names exist: their content is part of cache keys."""
        if self.record.weights is None:
            return
        try:
            weights_identity(self.record.weights())
        except OSError as error:
            raise AssertionError(
                f"weights of {self.record.name} cannot be read: {error}"
            ) from error


def _name(channels: int) -> str:
    return "grey" if channels == 1 else "colour"
