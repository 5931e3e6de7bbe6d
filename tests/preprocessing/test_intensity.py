import numpy as np
import pytest

from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.intensity import clahe, percentile_stretch, region_histogram


@pytest.fixture
def clip():
    rng = np.random.default_rng(5)
    return rng.gamma(4, 12, (5, 40, 50)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def region():
    mask = np.zeros((40, 50), bool)
    mask[10:30, 5:45] = True
    mask[10:14, 5:20] = False
    return mask


def test_histogram_counts_the_region_alone(clip, region):
    """The streamed histogram equals numpy's over all frames' region pixels."""
    expected = np.histogram(clip[:, region], bins=256, range=(0, 256))[0]
    np.testing.assert_array_equal(region_histogram(iter(clip), region), expected)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (1, 99.5), (20, 80)])
def test_stretch_maps_numpys_percentiles_to_black_and_white(clip, region, low, high):
    """Limits equal numpy's inverted-cdf percentiles, and levels between lie on a line to 0.5."""
    values = clip[:, region]
    black, white = np.percentile(values, [low, high], method="inverted_cdf").astype(float)
    stretched = percentile_stretch(region_histogram(clip, region), low, high)(clip[0])
    expected = np.clip((clip[0] - black) / (white - black), 0, 1) * 255
    np.testing.assert_allclose(stretched, expected, atol=0.5)
    assert stretched.dtype == np.uint8


def test_flat_fan_is_refused(region):
    """A fan of one grey level cannot be stretched."""
    counts = region_histogram([np.full(region.shape, 9, np.uint8)], region)
    with pytest.raises(ClipError, match="no contrast"):
        percentile_stretch(counts, 1, 99)


def test_clahe_raises_local_contrast_inside_and_blackens_outside(clip, region):
    """A dim fan gains contrast, outside of it there is nothing, and frames don't affect another."""
    dim = (clip // 8).astype(np.uint8)
    equalise = clahe(region, clip=2.0, tiles=2)
    output = equalise(dim[0])
    assert output[region].std() > 1.5 * dim[0][region].std()
    assert not output[~region].any()
    equalise(dim[1])
    np.testing.assert_array_equal(equalise(dim[0]), output)
