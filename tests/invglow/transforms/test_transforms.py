"""Every transform through one body: shapes, inverse, log-determinant against autograd, folding, no state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invglow.transforms import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    ChannelAffine,
    ChannelPermutation,
    Coupling,
    CouplingNetwork,
    FixedRotation,
    FlowStep,
    LUConv1x1,
    PlainConv1x1,
    Squeeze,
    Transform,
    identity_permutation,
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

HIDDEN_CHANNELS = 5


def coupling(kind: type[Coupling]) -> Callable[[int], Coupling]:
    """Return a builder of a coupling with its network, from a number of channels."""
    return lambda channels: kind(
        CouplingNetwork(channels // 2, HIDDEN_CHANNELS, channels // 2 * kind.outputs_per_channel)
    )


def step(mixing: Callable[[int], ChannelAffine], kind: type[Coupling]) -> Callable[[int], FlowStep]:
    """Return a builder of a flow step, from a number of channels."""
    return lambda channels: FlowStep(ActNorm(channels), mixing(channels), coupling(kind)(channels))


CHANNEL_AFFINE: dict[str, Callable[[int], ChannelAffine]] = {
    "actnorm": ActNorm,
    "lu": LUConv1x1,
    "plain": PlainConv1x1,
    "rotation": FixedRotation,
    "shuffle": lambda channels: ChannelPermutation(random_permutation(channels)),
    "identity": lambda channels: ChannelPermutation(identity_permutation(channels)),
}
STEPS = {f"step of {name}": step(mixing, AffineCoupling) for name, mixing in CHANNEL_AFFINE.items()}
TRANSFORMS: dict[str, Callable[[int], Transform]] = {
    **CHANNEL_AFFINE,
    "affine": coupling(AffineCoupling),
    "additive": coupling(AdditiveCoupling),
    **STEPS,
    "additive step": step(LUConv1x1, AdditiveCoupling),
    "squeeze": lambda _: Squeeze(),
}

every_transform = pytest.mark.parametrize("name", TRANSFORMS)
# (batch, half of the channels, height, width, seed); a squeeze gets twice the sides.
sizes = st.tuples(*(st.integers(1, 3) for _ in range(4)), st.integers(0, 99))
drawn = settings(max_examples=15, deadline=None)


def build(
    name: str, size: tuple[int, ...] = (3, 2, 3, 2, 0), dtype: torch.dtype = torch.float64
) -> tuple[Transform, torch.Tensor]:
    """Return a transform with random weights, and images for it."""
    batch, half, height, width, seed = size
    factor = 2 if name == "squeeze" else 1
    torch.manual_seed(seed)
    transform = TRANSFORMS[name](2 * half).to(dtype)
    randomize(transform, seed)
    return transform, random_images(batch, 2 * half, factor * height, factor * width, seed=seed, dtype=dtype)


@every_transform
@drawn
@given(size=sizes)
def test_log_det_is_that_of_the_jacobian(name: str, size: tuple[int, ...]) -> None:
    transform, x = build(name, size)
    assert_log_det_of_jacobian(transform, x)


@every_transform
@drawn
@given(size=sizes)
def test_inverse_undoes_forward(name: str, size: tuple[int, ...]) -> None:
    transform, x = build(name, size)
    assert_round_trip(transform, x)


@every_transform
def test_shapes_and_types_stay(name: str) -> None:
    for dtype in (torch.float32, torch.float64):
        transform, x = build(name, dtype=dtype)
        z, log_det = transform(x)
        assert z.dtype == log_det.dtype == dtype
        assert log_det.shape == (len(x),)
        assert transform.inverse(z)[0].shape == x.shape
        if name != "squeeze":
            assert z.shape == x.shape


@pytest.mark.parametrize("name", CHANNEL_AFFINE)
def test_matrix_bias_and_log_det_per_pixel_describe_the_map(name: str) -> None:
    transform, x = build(name)
    assert isinstance(transform, ChannelAffine)
    z, log_det = transform(x)
    matrix, bias = transform.matrix().double(), transform.bias()
    expected = torch.einsum("ij,bjhw->bihw", matrix, x)
    expected = expected if bias is None else expected + bias.view(1, -1, 1, 1)
    torch.testing.assert_close(z, expected)
    per_pixel = transform.log_det_per_pixel().double()
    torch.testing.assert_close(per_pixel, torch.linalg.slogdet(matrix)[1])
    torch.testing.assert_close(log_det, (x.shape[2] * x.shape[3] * per_pixel).expand(len(x)))


@pytest.mark.parametrize("name", [*STEPS, "additive step"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_folded_step_equals_the_unfolded_one(name: str, dtype: torch.dtype, tolerance: float) -> None:
    transform, x = build(name, dtype=dtype)
    assert isinstance(transform, FlowStep)
    assert_folded_equals_unfolded(transform, x, tolerance)


@every_transform
def test_images_do_not_see_each_other(name: str) -> None:
    transform, x = build(name, dtype=torch.float32)
    assert_batch_independent(transform, x, tolerance=1e-5)


@every_transform
def test_nothing_is_kept_between_calls(name: str) -> None:
    transform, x = build(name)
    before = contents(transform)
    first = transform(x)
    with pytest.raises(ValueError, match="got"):
        transform(x[0])
    assert_same_tensors(transform(x), first)
    assert_same_tensors(transform.inverse(first[0]), transform.inverse(first[0]))
    assert contents(transform) == before


@every_transform
def test_state_dict_holds_everything(name: str) -> None:
    transform, x = build(name)
    torch.manual_seed(1)
    other = TRANSFORMS[name](x.shape[1]).double()
    other.load_state_dict(transform.state_dict())
    assert_same_tensors(other(x), transform(x))


@pytest.mark.parametrize("name", [*CHANNEL_AFFINE, *STEPS])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_wrong_number_of_channels_is_refused(name: str, channels: int) -> None:
    """Also one channel, and one too many, which broadcasting and indexing would take without a word."""
    transform, _ = build(name)
    images = random_images(2, channels, 3, 3)
    with pytest.raises(ValueError, match=r"^This transform takes .* \(B, 4, H, W\), got \(2, ., 3, 3\)\.$"):
        transform(images)
    with pytest.raises(ValueError, match=r"got \(2, ., 3, 3\)\.$"):
        transform.inverse(images)
