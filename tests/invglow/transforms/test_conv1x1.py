"""Invertible 1x1 convolutions: how each writes its matrix, where it starts, and how exactly it is undone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from invglow.transforms import FixedRotation, LUConv1x1, PlainConv1x1
from tests.properties import random_images, randomize


@pytest.mark.parametrize("kind", [LUConv1x1, PlainConv1x1, FixedRotation])
@pytest.mark.parametrize("channels", [1, 2, 12, 48])
def test_starts_as_a_rotation(kind: type[LUConv1x1 | PlainConv1x1 | FixedRotation], channels: int) -> None:
    matrix = kind(channels).matrix().double()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(channels).double(), rtol=0, atol=1e-5)


def test_two_are_not_the_same() -> None:
    assert not torch.allclose(LUConv1x1(4).matrix(), LUConv1x1(4).matrix())


def test_lu_is_the_product_of_its_factors() -> None:
    conv = LUConv1x1(3).double()
    randomize(conv)
    lower, upper = conv.lower.tolist(), conv.upper.tolist()
    diagonal = (conv.sign * conv.log_diagonal.exp()).tolist()
    unit_lower = np.array([[1, 0, 0], [lower[1][0], 1, 0], [lower[2][0], lower[2][1], 1]])
    scaled_upper = np.array(
        [[diagonal[0], *upper[0][1:]], [0, diagonal[1], upper[1][2]], [0, 0, diagonal[2]]]
    )
    expected = conv.permutation.numpy() @ unit_lower @ scaled_upper
    np.testing.assert_allclose(conv.matrix().detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_fixed_rotation_is_not_trained_but_saved() -> None:
    rotation = FixedRotation(4)
    assert list(rotation.parameters()) == []
    assert torch.equal(rotation.state_dict()["weight"], rotation.matrix())


def test_ill_conditioned_matrix_is_inverted_exactly() -> None:
    """Training stretches matrices: an inverse in float32 would be wrong in the third digit here."""
    conv = PlainConv1x1(8)
    with torch.no_grad():
        left, right = FixedRotation(8).matrix(), FixedRotation(8).matrix()
        conv.weight.copy_(left @ torch.diag(torch.logspace(0, -4, 8)) @ right)
    z = random_images(4, 8, 2, 2, dtype=torch.float32)
    x = conv.inverse(z)[0].double()
    expected = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(conv.weight.double()), z.double())
    assert (x - expected).norm() <= 1e-6 * expected.norm()
