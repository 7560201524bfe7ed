"""The likelihood extractor against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from anomaly_methods.extractors.likelihood import STANDARD_ERROR, LikelihoodExtractor
from models.base import Estimate
from tests.anomaly_methods.extractors.toys import SHAPE, Gaussian, GaussianScales

X = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(0)) - 0.5


def test_log_prob_of_a_gaussian() -> None:
    values = LikelihoodExtractor()(Gaussian(2.0), X)
    expected = norm.logpdf(X.double().numpy(), scale=0.5).sum(axis=(1, 2, 3))
    assert list(values) == ["log_prob"]
    np.testing.assert_allclose(values["log_prob"].numpy(), expected, rtol=1e-6)


def test_shares_of_the_scales() -> None:
    values = {name: v.numpy() for name, v in LikelihoodExtractor()(GaussianScales(), X).items()}
    halves = X.double().reshape(6, 2, 8).numpy()
    for scale, factor in enumerate((2.0, 3.0)):
        share = norm.logpdf(halves[:, scale], scale=1 / factor).sum(axis=1)
        np.testing.assert_allclose(values[f"log_prob.scale{scale}"], share, rtol=1e-6)
        np.testing.assert_allclose(values[f"log_det.scale{scale}"], 8 * np.log(factor), rtol=1e-6)
        np.testing.assert_allclose(
            values[f"log_prior.scale{scale}"], norm.logpdf(factor * halves[:, scale]).sum(axis=1), rtol=1e-6
        )
    np.testing.assert_allclose(values["log_prob"], GaussianScales().log_prob(X).detach().numpy(), rtol=1e-6)
    assert len(values) == 7


def test_a_group_is_the_sum_of_its_images() -> None:
    one, three = (LikelihoodExtractor(group_size)(GaussianScales(), X) for group_size in (1, 3))
    for name, values in one.items():
        torch.testing.assert_close(three[name], values.reshape(2, 3).sum(dim=1))


@pytest.mark.parametrize("shape", [(6, 1), (1,), (), (7,)])
def test_a_log_prob_that_is_not_one_number_per_image_is_refused(shape: tuple[int, ...]) -> None:
    class Wrong(Gaussian):
        def log_prob(self, x: Tensor) -> Tensor:
            return x.new_zeros(shape)

    with pytest.raises(ValueError, match=r"log_prob must have shape \(6,\)") as caught:
        LikelihoodExtractor()(Wrong(), X)
    assert str(shape) in str(caught.value)


def test_scale_terms_of_the_wrong_shape_are_refused() -> None:
    class Wrong(GaussianScales):
        def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return torch.zeros(len(x), 2), torch.zeros(len(x), 3)

    with pytest.raises(ValueError, match=r"log_prior must have shape \(6, 2\).*has \(6, 3\)"):
        LikelihoodExtractor()(Wrong(), X)


def test_group_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match="got 0"):
        LikelihoodExtractor(0)


def test_a_standard_error_of_a_group_is_that_of_the_sum_of_its_images() -> None:
    class Estimated(Gaussian):
        def estimate(self, x: Tensor) -> Estimate:
            return Estimate(self.log_prob(x), torch.tensor([3.0, 4.0] * 3))

    values = LikelihoodExtractor(2)(Estimated(), X)
    torch.testing.assert_close(values[STANDARD_ERROR], torch.full((3,), 5.0).double())
    assert list(values) == ["log_prob", STANDARD_ERROR]


def test_a_standard_error_that_is_not_one_number_per_image_is_refused() -> None:
    class Wrong(Gaussian):
        def estimate(self, x: Tensor) -> Estimate:
            return Estimate(self.log_prob(x), torch.zeros(()))

    with pytest.raises(ValueError, match=r"standard_error must have shape \(6,\)"):
        LikelihoodExtractor()(Wrong(), X)
