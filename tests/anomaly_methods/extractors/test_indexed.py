"""Noise by an image's index: its own in any batch, whatever the pixels, and exact gradient norms."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from anomaly_methods.extractors.indexed import IndexedModel, images_for, indexed, with_index
from models.base import StochasticModel
from tests.models.cases import CASES, images, model_of

ORDER = torch.tensor([3, 1, 5, 0, 2, 4])
INDEX = torch.tensor([0, 1, 2, 1 << 20, (1 << 40) + 3, (1 << 61) + 5])
STOCHASTIC = [name for name, case in CASES.items() if case.family in ("vae", "diffusion")]
every_case = pytest.mark.parametrize("name", STOCHASTIC)


def stochastic(name: str) -> StochasticModel:
    model = model_of(name)
    assert isinstance(model, StochasticModel)
    return model.double()


def given(seed: int = 0) -> Tensor:
    return images(torch.float64, seed)


@pytest.mark.parametrize("name", CASES)
def test_models_that_draw_noise_say_so(name: str) -> None:
    assert isinstance(model_of(name), StochasticModel) == (name in STOCHASTIC)


@every_case
def test_an_index_brings_its_noise_in_any_batch(name: str) -> None:
    model, x = stochastic(name), given()
    with torch.no_grad():
        whole = model.log_prob(x, INDEX)
        permuted = model.log_prob(x[ORDER], INDEX[ORDER])
        alone = torch.cat([model.log_prob(x[i : i + 1], INDEX[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(permuted, whole[ORDER])
    torch.testing.assert_close(alone, whole)


@every_case
def test_equal_images_get_the_noise_of_their_index(name: str) -> None:
    model, x = stochastic(name), given()[:1].expand(6, -1, -1, -1)
    with torch.no_grad():
        values = model.log_prob(x, INDEX).sort().values
        assert (values.diff() > 1e-6).all()
        one = model.log_prob(x[:1], INDEX[:1])
        torch.testing.assert_close(model.log_prob(x, INDEX[:1].expand(6)), one.expand(6))
        torch.testing.assert_close(model.log_prob(x), model.log_prob(x[:1]).expand(6))  # by the pixels


@pytest.mark.parametrize("name", [name for name in STOCHASTIC if name.startswith("vae")])
def test_for_one_index_log_prob_is_a_smooth_function_of_the_image(name: str) -> None:
    """Its derivative is what finite differences give, since a changed pixel changes no noise."""
    model, x = stochastic(name), given().requires_grad_()
    direction = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)).double() - 0.5
    (slope,) = torch.autograd.grad(model.log_prob(x, INDEX).sum(), x)
    with torch.no_grad():
        ahead, behind = (model.log_prob(x + step * direction, INDEX) for step in (1e-6, -1e-6))
    torch.testing.assert_close(
        (slope * direction).sum(dim=(1, 2, 3)), (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-5
    )


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_carry_their_index_along(name: str, dtype: torch.dtype) -> None:
    model = stochastic(name).to(dtype)
    x = images(dtype)
    carried = with_index(x, INDEX)
    with torch.no_grad():
        expected = model.estimate(x, INDEX)
        found = indexed(model).estimate(carried)
    assert tuple(carried.shape[1:]) == indexed(model).image_shape
    torch.testing.assert_close(found.log_prob, expected.log_prob, rtol=1e-6, atol=1e-6)
    assert (found.standard_error is None) == (expected.standard_error is None)


@every_case
@pytest.mark.parametrize("group_size", [1, 3])
def test_gradient_norms_are_those_of_the_noise_of_the_index(name: str, group_size: int) -> None:
    model, x = stochastic(name), given()
    found = squared_gradient_norms(indexed(model), with_index(x, INDEX), group_size)
    for group in range(6 // group_size):
        rows = slice(group * group_size, (group + 1) * group_size)
        total = model.log_prob(x[rows], INDEX[rows]).sum()
        gradients = torch.autograd.grad(total, list(model.parameters()), materialize_grads=True)
        for (key, _), gradient in zip(model.named_parameters(), gradients, strict=True):
            torch.testing.assert_close(found[key][group], gradient.square().sum(), rtol=1e-8, atol=1e-12)


@every_case
def test_gradients_that_no_rule_covers_are_of_the_same_noise(name: str) -> None:
    model, x = indexed(stochastic(name)), with_index(given(), INDEX)
    apart = [key for key, _ in model.named_parameters()][::3]
    found = squared_gradient_norms(model, x, 2, apart=apart)
    for key, value in reference_squared_norms(model, x, 2).items():
        torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-12)


@every_case
def test_repeated_computations_take_the_index_of_each_batch(name: str) -> None:
    model, memory = indexed(stochastic(name)), Memory()
    for number in range(5):
        x = with_index(given(), INDEX + number)
        expected = reference_squared_norms(model, x, 2)
        unasked = patch.object(IndexedModel, "log_prob", side_effect=AssertionError)
        with unasked if number == 4 else nullcontext():
            found = squared_gradient_norms(model, x, 2, memory=memory)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-12)


@every_case
def test_samples_carry_an_index_too(name: str) -> None:
    model = stochastic(name).float()
    drawn = indexed(model).sample(2, torch.Generator().manual_seed(0))
    expected = model.sample(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, with_index(expected, torch.arange(2)))


def test_parameters_keep_their_names_and_sentences_the_class() -> None:
    model = stochastic("vae-elbo")
    carrier = indexed(model)
    assert dict(carrier.named_parameters()) == dict(model.named_parameters())
    assert type(carrier).__name__ == "VAE"


def test_a_model_that_draws_nothing_is_asked_as_it_is() -> None:
    model, x = model_of("glow"), images()
    assert indexed(model) is model
    assert torch.equal(images_for(model, x, torch.arange(6)), x)
