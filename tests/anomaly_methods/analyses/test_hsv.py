"""Bits per dimension from RGB to HSV: against autograd, a library, and on a model's gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import rgb2hsv
from torch import Tensor

from anomaly_methods.analyses.hsv import hsv_bits_per_dim, hsv_log_det, hsv_shifts


def colours(count: int = 200, seed: int = 0) -> NDArray[np.float64]:
    """Return random colours, some of them dark or nearly grey."""
    rng = np.random.default_rng(seed)
    rgb = rng.random((count, 3))
    rgb[::4] *= 0.02
    rgb[1::4] = rgb[1::4, :1] * 0.9 + 0.001 * rgb[1::4]
    return rgb


def hsv(rgb: Tensor) -> Tensor:
    """Convert one colour, by the textbook's cases."""
    r, g, b = rgb
    largest, smallest = rgb.max(), rgb.min()
    chroma = largest - smallest
    if largest == r:
        hue = ((g - b) / chroma) % 6
    elif largest == g:
        hue = (b - r) / chroma + 2
    else:
        hue = (r - g) / chroma + 4
    return torch.stack((hue / 6, chroma / largest, largest))


def test_the_determinant_is_that_of_autograd() -> None:
    for rgb, log_det in zip(colours(), hsv_log_det(colours()), strict=True):
        jacobian = torch.autograd.functional.jacobian(hsv, torch.tensor(rgb))
        assert log_det == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet), rel=1e-9)


def test_the_determinant_is_that_of_a_librarys_conversion() -> None:
    rgb = np.random.default_rng(1).random((500, 3)) * 0.9 + 0.05
    step = 1e-6
    columns = []
    for channel in range(3):
        shift = step * np.eye(3)[channel]
        difference = rgb2hsv(rgb + shift) - rgb2hsv(rgb - shift)
        difference[:, 0] -= np.round(difference[:, 0])  # hue is a circle
        columns.append(difference / (2 * step))
    _, expected = np.linalg.slogdet(np.stack(columns, axis=2))
    order = np.sort(rgb, axis=1)
    smooth = (np.diff(order, axis=1) > 1e-3).all(axis=1)  # no case changes within a step
    assert smooth.sum() > 400
    np.testing.assert_allclose(hsv_log_det(rgb)[smooth], expected[smooth], atol=1e-5)


def test_the_volume_of_all_colours_is_that_of_all_hues_saturations_and_values() -> None:
    rgb = np.random.default_rng(2).random((400_000, 3))
    # E[f(HSV)] over uniform RGB is an integral over HSV of f / |det|: for f = |det| it is the volume of HSV.
    keep = hsv_log_det(rgb) < 12
    assert np.exp(hsv_log_det(rgb[keep])).mean() == pytest.approx(1, abs=0.05)


def test_bits_are_the_mean_over_dimensions_of_one_draw_of_noise() -> None:
    images = np.random.default_rng(3).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    x = (images + np.random.default_rng(7).random(images.shape)) / 256
    for image, bits in zip(x, hsv_bits_per_dim(images, seed=7), strict=True):
        total = sum(
            -math.log2(6 * max(pixel) * (max(pixel) - min(pixel))) for row in image for pixel in row.tolist()
        )
        assert bits == pytest.approx(total / image.size)


def test_grey_images_gain_and_colourful_ones_lose() -> None:
    grey = np.full((1, 8, 8, 3), 128, np.uint8)
    colourful = np.zeros((1, 8, 8, 3), np.uint8) + np.array([255, 128, 0], np.uint8)
    assert hsv_bits_per_dim(grey)[0] > 2
    assert hsv_bits_per_dim(colourful)[0] == pytest.approx(-math.log2(6) / 3, abs=0.01)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4, 1), np.uint8), np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3))]
)
def test_what_are_no_colour_images_is_refused(images: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="HSV is for uint8 colour images"):
        hsv_bits_per_dim(images)


def test_a_models_likelihood_changes_but_its_gradients_do_not() -> None:
    """A density of RGB, and the same as a density of HSV that is evaluated through the inverse map."""
    loc = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64, requires_grad=True)
    for rgb in torch.tensor(colours(20, seed=5)):
        log_prob = -0.5 * (rgb - loc).square().sum()
        jacobian = torch.autograd.functional.jacobian(hsv, rgb)
        as_hsv = log_prob - torch.linalg.slogdet(jacobian).logabsdet
        assert float((log_prob - as_hsv).detach()) == pytest.approx(float(hsv_log_det(rgb.numpy())), rel=1e-9)
        one, other = (torch.autograd.grad(value, loc, retain_graph=True)[0] for value in (log_prob, as_hsv))
        assert torch.equal(one, other)


def test_shifts_are_summed_up_against_the_first_set() -> None:
    first, second = hsv_shifts({"in": [0.0, 1.0, 2.0, 3.0], "out": [2.5, 3.5]})
    assert (first.mean, first.lower_quartile, first.median, first.upper_quartile) == (1.5, 0.75, 1.5, 2.25)
    assert math.isnan(first.auroc)
    assert second.auroc == 7 / 8
    with pytest.raises(ValueError, match="at least one set and an image in each"):
        hsv_shifts({"in": [1.0], "out": []})
