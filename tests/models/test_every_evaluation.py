"""Every family, in each way that its log p can be evaluated: images on their own, exact gradient norms."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import pytest
import torch

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from models.base import GenerativeModel
from models.checks import check_model
from models.registry import FAMILIES
from plots.bounds import BOUNDED
from tests.models.cases import CASES, SHAPE, images, model_of

ORDER = torch.tensor([3, 1, 5, 0, 2, 4])
every_case = pytest.mark.parametrize("name", CASES)


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
