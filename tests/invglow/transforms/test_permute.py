"""Channel permutations."""

from __future__ import annotations

import pytest
import torch

from invglow.transforms import ChannelPermutation, identity_permutation, random_permutation
from tests.properties import random_images


def test_channels_come_in_the_order_of_the_indices() -> None:
    x = random_images(2, 3, 4, 4)
    z, log_det = ChannelPermutation(torch.tensor([2, 0, 1]))(x)
    assert torch.equal(z, torch.stack((x[:, 2], x[:, 0], x[:, 1]), dim=1))
    assert torch.equal(log_det, torch.zeros(2).double())


def test_identity_changes_nothing() -> None:
    x = random_images(2, 5, 4, 4)
    assert torch.equal(ChannelPermutation(identity_permutation(5))(x)[0], x)


def test_random_order_depends_on_the_seed_alone() -> None:
    torch.manual_seed(0)
    first = random_permutation(16)
    torch.manual_seed(0)
    assert torch.equal(random_permutation(16), first)
    assert not torch.equal(random_permutation(16), first)


@pytest.mark.parametrize("indices", [[0, 0, 1], [1, 2, 3], [0, -1]])
def test_what_is_no_permutation_is_refused(indices: list[int]) -> None:
    with pytest.raises(ValueError, match="must be a permutation"):
        ChannelPermutation(torch.tensor(indices))
