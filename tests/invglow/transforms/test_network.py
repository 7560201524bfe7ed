"""The network inside a coupling: fresh, folded and unfolded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invglow.transforms import CouplingNetwork
from invglow.transforms.network import CACHED_NUMBERS
from tests.properties import assert_folded_equals_unfolded, random_images, randomize


def test_fresh_one_returns_zero() -> None:
    x = random_images(2, 3, 4, 5, dtype=torch.float32)
    assert torch.equal(CouplingNetwork(3, 8, 6)(x), torch.zeros(2, 6, 4, 5))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.tuples(*(st.integers(1, 5) for _ in range(6))),
    precision=st.sampled_from([(torch.float64, 1e-9), (torch.float32, 1e-4)]),
)
def test_folded_equals_unfolded(sizes: tuple[int, ...], precision: tuple[torch.dtype, float]) -> None:
    channels, hidden, out, batch, height, width = sizes
    dtype, tolerance = precision
    network = CouplingNetwork(channels, hidden, out).to(dtype)
    randomize(network, scale=0.3)
    x = random_images(batch, channels, height, width, dtype=dtype)
    assert_folded_equals_unfolded(network, x, tolerance)


@pytest.mark.parametrize("unfolded", [False, True])
def test_output_is_scaled_by_the_exponential_of_three_times_log_scale(unfolded: bool) -> None:
    network = CouplingNetwork(2, 4, 3).double()
    randomize(network)
    function = network.forward_unfolded if unfolded else network.forward
    x = random_images(2, 2, 4, 4)
    before = function(x)
    with torch.no_grad():
        network.log_scale.add_(torch.tensor([0.0, 0.1, -0.2]))
    factors = torch.tensor([0.0, 0.3, -0.6], dtype=torch.float64).exp().view(1, 3, 1, 1)
    torch.testing.assert_close(function(x), before * factors)


def test_input_is_left_alone() -> None:
    network = CouplingNetwork(2, 4, 3)
    x = random_images(2, 2, 4, 4, dtype=torch.float32)
    copy = x.clone()
    network(x)
    assert torch.equal(x, copy)


def test_evaluation_in_pieces_equals_the_whole() -> None:
    """Without gradients, 6 images of this size are evaluated 4 and 2 at a time."""
    network = CouplingNetwork(1, 8, 2).double()
    randomize(network)
    x = random_images(6, 1, 256, 256)
    assert CACHED_NUMBERS // (8 * 256 * 256) == 4
    whole = network(x)
    with torch.no_grad():
        pieces = network(x)
    torch.testing.assert_close(pieces, whole)
