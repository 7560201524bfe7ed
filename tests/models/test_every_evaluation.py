"""Every family, in each way that its log p can be evaluated: images on their own, exact gradient norms."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from models.base import GenerativeModel
from models.checks import check_model
from models.registry import FAMILIES, family, prepare
from plots.bounds import BOUNDED

SHAPE = (1, 8, 8)
ORDER = torch.tensor([3, 1, 5, 0, 2, 4])


class Case(NamedTuple):
    """A family, settings of a tiny model, and what its log p then is."""

    family: str
    settings: dict[str, Any]
    bound: str


GLOW = {"scales": 2, "steps_per_scale": 1, "hidden_channels": 4}
VAE = {"hidden_channels": 8, "latent_dimensions": 2, "samples": 3}
PIXELCNN = {"hidden_channels": 4, "mixtures": 2}
DIFFUSION = {"channels": [8, 8], "timesteps": 6, "timestep": 2, "terms": 3}
CASES = {
    "glow": Case("glow", GLOW, "exact"),
    "vae-elbo": Case("vae", VAE, "elbo"),
    "vae-gaussian": Case("vae", {**VAE, "likelihood": "gaussian"}, "elbo"),
    "vae-iwae": Case("vae", {**VAE, "importance_weighted": True}, "elbo"),
    "pixelcnn-plusplus": Case("pixelcnn", PIXELCNN, "exact"),
    "pixelcnn-plain": Case("pixelcnn", {**PIXELCNN, "architecture": "plain"}, "exact"),
    "diffusion-estimate": Case("diffusion", DIFFUSION, "elbo"),
    "diffusion-all-terms": Case("diffusion", {**DIFFUSION, "terms": 0, "noise_samples": 1}, "elbo"),
    "diffusion-timestep": Case("diffusion", {**DIFFUSION, "evaluation": "timestep"}, "surrogate"),
}
every_case = pytest.mark.parametrize("name", CASES)


def images(dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(seed)).to(dtype) - 0.5


def model_of(name: str) -> GenerativeModel:
    """Return the tiny model of a case in evaluation mode, or skip the test where a package is missing."""
    case = CASES[name]
    if case.family == "diffusion" and importlib.util.find_spec("diffusers") is None:
        pytest.skip("diffusion models need the extra 'diffusion'")
    torch.manual_seed(0)
    model = family(case.family).build({"image_shape": list(SHAPE), **case.settings})
    prepare(case.family, model, images())
    with torch.no_grad():  # no layer may be what it is fresh: zero, or the identity
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def not_to_be_asked(model: GenerativeModel) -> AbstractContextManager[object]:
    return patch.object(type(model), "log_prob", side_effect=AssertionError("the model was asked"))


def test_every_family_is_here() -> None:
    assert {case.family for case in CASES.values()} == set(FAMILIES)


def test_figures_call_the_bits_of_these_families_a_bound() -> None:
    assert {case.family for case in CASES.values() if case.bound == "elbo"} == BOUNDED
    assert all(case.bound != "exact" for case in CASES.values() if case.family in BOUNDED)


@every_case
def test_an_image_has_the_same_log_prob_in_any_batch(name: str) -> None:
    model, x = model_of(name), images()
    assert model.bound == CASES[name].bound
    with torch.no_grad():
        whole = model.log_prob(x)
        for other, expected in (
            (model.log_prob(x[ORDER]), whole[ORDER]),
            (torch.cat([model.log_prob(x[:1]), model.log_prob(x[1:])]), whole),
            (torch.cat([model.log_prob(one[None]) for one in x]), whole),
            (model.estimate(x).log_prob, whole),
        ):
            torch.testing.assert_close(other, expected, rtol=1e-5, atol=1e-4)


@every_case
def test_gradient_norms_are_those_of_the_slow_reference(name: str) -> None:
    model, x = model_of(name).double(), images(torch.float64)
    for group_size in (1, 3):
        found = squared_gradient_norms(model, x, group_size)
        expected = reference_squared_norms(model, x, group_size)
        assert set(found) == {key for key, _ in model.named_parameters()}
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-12, msg=f"{key}: {{}}".format)


@every_case
def test_gradient_norms_of_later_batches_are_repeated_without_the_model(name: str) -> None:
    model, memory = model_of(name).double(), Memory()
    for number in range(5):
        x = images(torch.float64, seed=number)
        expected = reference_squared_norms(model, x, 2)
        with nullcontext() if number < 4 else not_to_be_asked(model):
            found = squared_gradient_norms(model, x, 2, memory=memory)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-12, msg=f"{key}: {{}}".format)


@every_case
def test_it_keeps_what_a_model_promises(name: str) -> None:
    assert check_model(model_of(name), SHAPE) == []
