"""The ratio to an image codec: both sides are code lengths of the same 8-bit images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from anomaly_methods.meta import COMPLEXITY_KINDS
from anomaly_methods.methods.registry import METHODS, get_method, usable_methods
from anomaly_methods.methods.sources import (
    SPECIFIC_LIKELIHOOD,
    SourceStatistics,
    assemble,
    complexity_by,
    likelihoods,
)
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics

CODEC_OF = {
    "complexity_ratio": "png",
    "complexity_ratio_webp": "webp",
    "complexity_ratio_jpeg2000": "jpeg2000",
    "complexity_ratio_jpeg_ls": "jpeg_ls",
}


def lengths(values: list[float], codec: str = "png", **changes: Any) -> Statistics:
    kind = {name: kind for kind, name in COMPLEXITY_KINDS.items()}[codec]
    of_no_model = {"kind": kind, "model": codec, "checkpoint_sha256": "none", "bound": "none"}
    return make_statistics({"code_length": values}, **{**of_no_model, **changes})


def available(codec: str = "png", **changes: Any) -> SourceStatistics:
    specific = make_statistics([-100.0, -150.0, -100.0], **changes)
    return {
        SPECIFIC_LIKELIHOOD: specific,
        complexity_by(codec): lengths([90.0, 90.0, 140.0], codec, **changes),
    }


@pytest.mark.parametrize("name", CODEC_OF)
@pytest.mark.parametrize("group_size", [1, 5])
def test_the_score_is_the_models_code_less_the_codecs(name: str, group_size: int) -> None:
    method = get_method(name)
    joined = assemble(method.sources, available(CODEC_OF[name], group_size=group_size))
    scores = method.fit(joined).score(joined)
    bins = group_size * 3 * 8 * 8 * math.log(256)
    np.testing.assert_allclose(scores, [bins + 10, bins + 60, bins - 40])


def test_a_uniform_density_needs_eight_bits_per_dimension() -> None:
    """Its log p is 0 on the unit cube; a file of 8 bits per dimension is exactly as long."""
    eight_bits = 3 * 8 * 8 * 8 * math.log(2)
    both = {SPECIFIC_LIKELIHOOD: make_statistics([0.0]), complexity_by("png"): lengths([eight_bits])}
    method = get_method("complexity_ratio")
    joined = assemble(method.sources, both)
    np.testing.assert_allclose(method.fit(joined).score(joined), [0.0], atol=1e-9)


def test_tables_show_the_bound_of_the_model_alone() -> None:
    assert assemble(get_method("complexity_ratio").sources, available()).meta.bounds == "exact"
    elbo = {**available(), SPECIFIC_LIKELIHOOD: make_statistics([1.0, 2.0, 3.0], bound="elbo")}
    assert assemble(get_method("complexity_ratio").sources, elbo).meta.bounds == "elbo"
    assert lengths([1.0]).meta.bounds == "none"


def test_it_is_usable_where_lengths_are_there() -> None:
    one = likelihoods(make_statistics([-100.0, -150.0, -100.0]))
    lack = get_method("complexity_ratio").unmet(one)
    assert lack == "Method complexity_ratio needs complexity statistics of the specific model, but got none."
    names = [method.name for method in usable_methods(available("webp"))]
    assert names == ["raw_likelihood", "typicality", "complexity_ratio_webp"]


def test_lengths_of_other_images_or_another_codec_are_refused() -> None:
    method = get_method("complexity_ratio")
    other = {
        **available(),
        complexity_by("png"): lengths([1.0, 2.0, 3.0], dataset_sha256="2", dataset="dogs"),
    }
    with pytest.raises(ValueError, match="must be of the same images"):
        assemble(method.sources, other)
    scorer = method.fit(assemble(method.sources, available()))
    newer = {**available(), complexity_by("png"): lengths([1.0, 2.0, 3.0], settings={"library": "opencv 9"})}
    with pytest.raises(ValueError, match=r"settings is \{'library': 'opencv 9'\}"):
        scorer.score(assemble(method.sources, newer))


def test_every_variant_is_tried_here() -> None:
    assert list(CODEC_OF) == [name for name in METHODS if name.startswith("complexity_ratio")]
