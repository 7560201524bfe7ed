"""Images made from others, and a table of their likelihoods."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from anomaly_methods.analyses.variants import image_variants, variant_likelihoods
from tests.anomaly_methods.examples import make_statistics


def pictures(channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (6, 16, 16, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_variant_is_of_the_same_shape(channels: int) -> None:
    found = image_variants(pictures(channels))
    assert list(found) == [
        *("constant", "noise", "shuffled", "blur0.5", "blur1", "blur2"),
        *("contrast0.25", "contrast0.5", "contrast1.5"),
    ]
    assert {(images.shape, images.dtype.name) for images in found.values()} == {
        ((6, 16, 16, channels), "uint8")
    }


def test_constant_images_have_their_own_mean_colour() -> None:
    images, constant = pictures(), image_variants(pictures())["constant"]
    np.testing.assert_array_equal(constant, np.broadcast_to(constant[:, :1, :1], constant.shape))
    np.testing.assert_array_equal(constant[:, 0, 0], np.rint(images.mean(axis=(1, 2))))


def test_shuffled_images_keep_their_pixels_whole() -> None:
    images, shuffled = pictures(), image_variants(pictures())["shuffled"]
    assert (images != shuffled).any()
    for image, other in zip(images, shuffled, strict=True):
        assert sorted(map(tuple, image.reshape(-1, 3))) == sorted(map(tuple, other.reshape(-1, 3)))


def test_noise_is_uniform_and_unlike_from_image_to_image() -> None:
    noise = image_variants(np.zeros((50, 16, 16, 3), dtype=np.uint8), blurs=(), contrasts=())["noise"]
    assert abs(noise.mean() - 127.5) < 5 * 74 / math.sqrt(noise.size)
    assert len({image.tobytes() for image in noise}) == 50


def test_the_seed_and_the_place_make_an_image_alone() -> None:
    whole, few = image_variants(pictures(), seed=3), image_variants(pictures()[:2], seed=3)
    other = image_variants(pictures(), seed=4)
    for name in ("noise", "shuffled"):
        np.testing.assert_array_equal(whole[name][:2], few[name])
        assert (whole[name] != other[name]).any()


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_blurring_is_gaussian(sigma: float) -> None:
    """Inside, where no border matters; OpenCV cuts its kernel at about 4 standard deviations for floats."""
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    blurred = image_variants(images, blurs=(sigma,))[f"blur{sigma:g}"]
    for image, found in zip(images, blurred, strict=True):
        expected = gaussian_filter(image.astype(float), (sigma, sigma, 0), truncate=4.0)
        np.testing.assert_allclose(found[10:-10, 10:-10], expected[10:-10, 10:-10], atol=0.75)


def test_contrast_scales_distances_from_the_mean() -> None:
    images = np.random.default_rng(0).integers(100, 150, (3, 8, 8, 3)).astype(np.uint8)
    found = image_variants(images, contrasts=(0.5, 1.0, 9.0))
    mean = images.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(found["contrast0.5"], np.rint(mean + 0.5 * (images - mean)))
    np.testing.assert_array_equal(found["contrast1"], images)
    assert (found["contrast9"].min(), found["contrast9"].max()) == (0, 255)  # clipped, not wrapped around


@pytest.mark.parametrize("changes", [{"blurs": (0.0,)}, {"blurs": (math.nan,)}, {"contrasts": (-1.0,)}])
def test_impossible_settings_are_refused(changes: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="Blurs must be above 0 and contrasts at least 0, got"):
        image_variants(pictures(), **changes)  # type: ignore[arg-type]  # the types differ by name


def test_the_table_compares_with_the_originals() -> None:
    original = make_statistics([-10.0, -20.0])
    likely = make_statistics([-5.0, -5.0], dataset="flat")
    mixed = make_statistics([-15.0, math.nan], dataset="noise")
    rows = variant_likelihoods(original, {"flat": likely, "noise": mixed})
    assert [row.variant for row in rows] == ["original", "flat", "noise"]
    assert [row.mean for row in rows] == [-15.0, -5.0, -15.0]
    assert [row.auroc for row in rows] == [0.5, 0.0, 0.75]
    assert [(row.nonfinite, row.n) for row in rows] == [(0, 2), (0, 2), (1, 2)]
    assert rows[0].bits_per_dim == pytest.approx(8 + 15 / (192 * math.log(2)))


def test_bits_of_groups_are_of_all_their_dimensions() -> None:
    (row,) = variant_likelihoods(make_statistics([-50.0], group_size=5), {})
    assert row.bits_per_dim == pytest.approx(8 + 10 / (192 * math.log(2)))


def test_the_table_names_bounds_and_gives_surrogates_no_bits() -> None:
    (elbo,) = variant_likelihoods(make_statistics([-10.0], bound="elbo"), {})
    assert elbo.bound == "elbo"
    assert elbo.bits_per_dim == pytest.approx(8 + 10 / (192 * math.log(2)))
    (surrogate,) = variant_likelihoods(make_statistics([-10.0], bound="surrogate"), {})
    assert (surrogate.bound, surrogate.mean) == ("surrogate", -10.0)
    assert math.isnan(surrogate.bits_per_dim)


def test_a_table_of_two_models_is_refused() -> None:
    with pytest.raises(ValueError, match="checkpoint_sha256"):
        variant_likelihoods(make_statistics([1.0]), {"a": make_statistics([1.0], checkpoint_sha256="b")})
