"""Transforms of whole feature vectors: rotation, fully connected network, and the step of both."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invglow.transforms import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    ChannelPermutation,
    Coupling,
    DenseNetwork,
    DenseRotation,
    DenseStep,
    Transform,
    mixed_rotation,
    random_permutation,
)
from tests.properties import (
    assert_batch_independent,
    assert_folded_equals_unfolded,
    assert_log_det_of_jacobian,
    assert_round_trip,
    assert_same_tensors,
    contents,
    random_images,
    randomize,
)

DENSE = ["rotation", "affine", "additive", "shuffle"]
every_transform = pytest.mark.parametrize("name", DENSE)
drawn = settings(max_examples=15, deadline=None)
sizes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(0, 99))


def build(
    name: str, size: tuple[int, int, int] = (3, 6, 0), dtype: torch.dtype = torch.float64
) -> tuple[Transform, torch.Tensor]:
    """Return a transform with random weights, and feature vectors for it: (batch, half of the features)."""
    batch, half, seed = size
    torch.manual_seed(seed)
    transform = _transform(name, half).to(dtype)
    randomize(transform, seed)
    return transform, random_images(batch, 2 * half, 1, 1, seed=seed, dtype=dtype)


def _transform(name: str, half: int) -> Transform:
    if name == "rotation":
        return DenseRotation(2 * half)
    kind: type[Coupling] = AdditiveCoupling if name == "additive" else AffineCoupling
    coupling = kind(DenseNetwork(half, 5, half * kind.outputs_per_channel))
    shuffle = ChannelPermutation(random_permutation(2 * half))
    mixing = shuffle if name == "shuffle" else DenseRotation(2 * half)
    return DenseStep(ActNorm(2 * half), mixing, coupling)


@every_transform
@drawn
@given(size=sizes)
def test_log_det_is_that_of_the_jacobian(name: str, size: tuple[int, int, int]) -> None:
    transform, x = build(name, size)
    assert_log_det_of_jacobian(transform, x)


@every_transform
@drawn
@given(size=sizes)
def test_inverse_undoes_forward(name: str, size: tuple[int, int, int]) -> None:
    transform, x = build(name, size)
    assert_round_trip(transform, x)


@pytest.mark.parametrize("name", ["affine", "additive", "shuffle"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_step_equals_one_operation_at_a_time(name: str, dtype: torch.dtype, tolerance: float) -> None:
    transform, x = build(name, dtype=dtype)
    assert isinstance(transform, DenseStep)
    assert_folded_equals_unfolded(transform, x, tolerance)


@every_transform
def test_rows_do_not_see_each_other_and_nothing_is_kept(name: str) -> None:
    transform, x = build(name)
    before = contents(transform)
    assert_batch_independent(transform, x, tolerance=1e-9)
    with pytest.raises(ValueError, match="got"):
        transform(x[:, 1:])
    assert contents(transform) == before


@every_transform
def test_state_dict_holds_everything(name: str) -> None:
    transform, x = build(name)
    torch.manual_seed(1)
    other = _transform(name, 6).double()
    other.load_state_dict(transform.state_dict())
    assert_same_tensors(other(x), transform(x))


@pytest.mark.parametrize("features", [1, 2, 7, 12, 48, 60])
def test_every_output_of_a_mixed_rotation_sees_every_input(features: int) -> None:
    torch.manual_seed(0)
    rotation = mixed_rotation(features)
    identity = torch.eye(features, dtype=torch.float64)
    torch.testing.assert_close(rotation @ rotation.T, identity, rtol=0, atol=1e-12)
    assert (rotation != 0).all()


def test_log_det_of_a_rounded_rotation_is_its_own_and_not_zero() -> None:
    torch.manual_seed(0)
    rotation = DenseRotation(60)
    exact = torch.linalg.slogdet(rotation.weight.double())[1]
    assert exact.abs() > 1e-9
    torch.testing.assert_close(rotation.log_abs_det.double(), exact, rtol=1e-3, atol=0)


def test_a_fresh_network_writes_zeros_and_learns() -> None:
    network = DenseNetwork(4, 5, 8)
    output = network(random_images(3, 4, 1, 1, dtype=torch.float32))
    assert torch.equal(output, torch.zeros(3, 8, 1, 1))
    output.square().sum().backward()
    (gradient,) = torch.autograd.grad(
        (network(torch.ones(1, 4, 1, 1)) - 1).square().sum(), network.linear_out.weight
    )
    assert gradient.abs().max() > 0
