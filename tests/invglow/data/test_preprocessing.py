"""Dequantisation is exact, augmentation moves pixels and invents none, shapes are checked in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from invglow.data.preprocessing import augment, bits_per_dim, check_image_shape, dequantize, quantize
from tests.invglow.data.examples import images

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)


def test_without_noise_pixels_lie_exactly_in_the_centres_of_their_bins() -> None:
    expected = (np.arange(256, dtype=np.float64) + 0.5) / 256 - 0.5
    np.testing.assert_array_equal(dequantize(ALL_LEVELS).double(), expected)


@pytest.mark.parametrize("noise", [0.0, 0.25, 1 - 2**-16, 1 - 2**-24])
def test_noise_never_leaves_the_bin(noise: float) -> None:
    found = dequantize(ALL_LEVELS, torch.full((256,), noise)).double()
    lower = torch.arange(256, dtype=torch.float64) / 256 - 0.5
    assert (found >= lower).all()
    assert (found < lower + 1 / 256).all()
    torch.testing.assert_close(found, lower + noise / 256, rtol=0, atol=2**-16 / 256)


def test_pixels_that_are_not_uint8_and_noise_that_does_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        dequantize(torch.zeros(3))
    with pytest.raises(ValueError, match="shape"):
        dequantize(ALL_LEVELS, torch.zeros(3))


def test_bits_per_dim_of_a_uniform_density_is_eight() -> None:
    assert bits_per_dim(0.0, 3072) == 8
    assert bits_per_dim(3072 * math.log(2), 3072) == pytest.approx(7)
    np.testing.assert_allclose(bits_per_dim(np.array([0.0, math.log(2)]), 1), [8, 7])
    torch.testing.assert_close(bits_per_dim(torch.zeros(2), 12), torch.full((2,), 8.0))


def test_without_flips_and_shifts_nothing_changes() -> None:
    batch = torch.from_numpy(images(8)).permute(0, 3, 1, 2)
    assert torch.equal(augment(batch, torch.Generator(), flip=False, max_shift=0), batch)


def test_about_half_of_the_images_are_flipped() -> None:
    batch = torch.from_numpy(images(200)).permute(0, 3, 1, 2)
    found = augment(batch, torch.Generator().manual_seed(0), flip=True, max_shift=0)
    flipped = [torch.equal(new, old.flip(2)) for new, old in zip(found, batch, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(found, batch, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 70 < sum(flipped) < 130


def test_shifts_reach_a_tenth_of_the_side_in_both_directions_and_repeat_the_edge() -> None:
    ramp = torch.arange(32, dtype=torch.uint8).expand(400, 1, 32, 32)
    found = augment(ramp, torch.Generator().manual_seed(0), flip=False, max_shift=0.1)
    shifts = found[:, 0, 0, 16].int() - 16
    assert set(shifts.tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    expected = (torch.arange(32) + shifts[:, None]).clamp(0, 31)
    assert torch.equal(found[:, 0, 0].long(), expected)
    down = augment(ramp.transpose(2, 3), torch.Generator().manual_seed(1), flip=False, max_shift=0.1)
    assert set((down[:, 0, 16, 0].int() - 16).tolist()) == {-3, -2, -1, 0, 1, 2, 3}


def test_sides_of_unlike_length_are_moved_each_by_a_share_of_itself() -> None:
    """A picture of 10x40 whose pixels tell their place: 1 row at most, but up to 4 columns."""
    rows, columns = torch.meshgrid(torch.arange(10), torch.arange(40), indexing="ij")
    picture = torch.stack((rows, columns)).to(torch.uint8)
    found = augment(
        picture.expand(300, 2, 10, 40), torch.Generator().manual_seed(0), flip=False, max_shift=0.1
    )
    shifts = found[:, :, 5, 20].int() - torch.tensor([5, 20])
    assert set(shifts[:, 0].tolist()) == set(range(-1, 2))
    assert set(shifts[:, 1].tolist()) == set(range(-4, 5))
    for image, (down, right) in zip(found, shifts.tolist(), strict=True):
        expected = torch.stack(((rows + down).clamp(0, 9), (columns + right).clamp(0, 39)))
        assert torch.equal(image.long(), expected)


def test_a_shift_that_is_no_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match="fraction"):
        augment(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.Generator(), flip=False, max_shift=3)


@pytest.mark.parametrize(
    ("found", "expected", "sentence"),
    [
        ((3, 32, 32), (1, 32, 32), "svhn has colour images, but the model takes grey ones: read it in grey"),
        ((1, 32, 32), (3, 32, 32), "svhn has grey images, but the model takes colour ones"),
        ((3, 64, 64), (3, 32, 32), "64x64 pixels, but the model takes 32x32"),
    ],
)
def test_images_that_do_not_fit_a_model_are_refused(
    found: tuple[int, int, int], expected: tuple[int, int, int], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_image_shape(found, expected, name="svhn")
    check_image_shape(expected, expected, name="svhn")


def test_quantize_undoes_dequantize_with_any_noise() -> None:
    noise = torch.rand(256, generator=torch.Generator().manual_seed(0))
    assert quantize(dequantize(ALL_LEVELS)).equal(ALL_LEVELS)
    assert quantize(dequantize(ALL_LEVELS, noise)).equal(ALL_LEVELS)


def test_quantize_takes_what_a_diverging_sample_holds() -> None:
    strange = torch.tensor([-3.0, 3.0, float("inf"), -float("inf"), float("nan")])
    assert quantize(strange).tolist() == [0, 255, 255, 0, 128]
