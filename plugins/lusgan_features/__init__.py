"""The feature extractors that come with lusgan: one file for each."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import FeatureExtractor, hookimpl
from lusgan_features import inception_v3, lite0, lite2, lite_file, random_networks

LUSGAN_API = 2

MODULES = (random_networks, lite0, lite2, lite_file, inception_v3)


@hookimpl
def register_features() -> Sequence[FeatureExtractor]:
    """Offer the built-in feature extractors."""
    return [module.EXTRACTOR for module in MODULES]
