"""The interface of all models: what the base classes compute, and what they leave to the families."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.base import GenerativeModel, MultiScaleModel


class TwoScales(MultiScaleModel):
    """A model whose terms are easy to add up by hand."""

    image_shape = (1, 2, 2)
    bound = "exact"
    scales = 2

    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.sum(dim=(1, 2, 3))
        return torch.stack((total, 10 * total), dim=1), torch.stack((100 * total, 1000 * total), dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return temperature * torch.rand(n, *self.image_shape, generator=generator)


def test_shares_are_log_det_plus_log_prior_and_sum_to_the_likelihood() -> None:
    x = torch.ones(3, 1, 2, 2) * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    model = TwoScales()
    torch.testing.assert_close(model.scale_log_probs(x), x.sum(dim=(2, 3)) * torch.tensor([101.0, 1010.0]))
    torch.testing.assert_close(model.log_prob(x), 1111 * x.sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("kind", [GenerativeModel, MultiScaleModel])
def test_a_family_must_say_how_it_computes(kind: type[GenerativeModel]) -> None:
    with pytest.raises(TypeError, match="abstract"):
        kind()
