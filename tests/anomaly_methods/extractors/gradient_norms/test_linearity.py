"""Gradients per image are those whose sum is the gradient of the batch, seen through their norms alone."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import squared_gradient_norms
from invglow.flows import GlowConfig
from models.base import GenerativeModel
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized

IMAGES = 4
TOLERANCE = 1e-9  # relative, in double precision

Tensors = dict[str, Tensor]


class Tilted(GenerativeModel):
    """A model with log p(x) + <parameters, directions>: every image's gradient is moved by `directions`."""

    bound = "surrogate"

    def __init__(self, model: GenerativeModel, directions: Tensors) -> None:
        super().__init__()
        self.model = model
        self.image_shape = model.image_shape
        self.directions = directions

    def log_prob(self, x: Tensor) -> Tensor:
        moved = [(p * self.directions[name]).sum() for name, p in self.model.named_parameters()]
        return self.model.log_prob(x) + torch.stack(moved).sum()

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.model.sample(n, generator, temperature)


def glow() -> GenerativeModel:
    torch.manual_seed(0)
    return Glow.from_config(GlowConfig((2, 8, 8), 2, 1, 5))


EXAMPLES = {name: lambda build=build: NetModel(build()) for name, build in MODELS.items()} | {"Glow": glow}


def example(name: str) -> tuple[GenerativeModel, Tensor]:
    model = EXAMPLES[name]().double()
    randomized(model)
    return model, images(IMAGES, model.image_shape)


def gradient_of_the_batch(model: GenerativeModel, x: Tensor) -> Tensors:
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(model.log_prob(x).sum(), list(parameters.values()), materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


def inner_products(model: GenerativeModel, x: Tensor, directions: Tensors) -> Tensors:
    """Return <gradient of each image, direction>, (B,) of every tensor: half of |g + v|^2 - |g|^2 - |v|^2."""
    plain, tilted = squared_gradient_norms(model, x), squared_gradient_norms(Tilted(model, directions), x)
    return {
        name: (tilted[f"model.{name}"] - plain[name] - direction.square().sum()) / 2
        for name, direction in directions.items()
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_linear_functional_summed_over_images_is_that_of_the_batch(name: str) -> None:
    model, x = example(name)
    generator = torch.Generator().manual_seed(1)
    batch = gradient_of_the_batch(model, x)
    size = {key: float(value.norm()) for key, value in batch.items()}
    directions = {
        key: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for key, value in batch.items()
    }
    for key, values in inner_products(model, x, directions).items():
        assert values.shape == (IMAGES,)
        expected = float((batch[key] * directions[key]).sum())
        scale = (size[key] + float(directions[key].norm())) ** 2
        assert abs(float(values.sum()) - expected) <= TOLERANCE * scale, key


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_images_as_one_group_have_the_gradient_of_the_batch(name: str) -> None:
    model, x = example(name)
    found = squared_gradient_norms(model, x, IMAGES)
    for key, gradient in gradient_of_the_batch(model, x).items():
        torch.testing.assert_close(
            found[key], gradient.square().sum().reshape(1), rtol=TOLERANCE, atol=1e-12, msg=key
        )


@pytest.mark.parametrize("name", EXAMPLES)
def test_pairs_of_images_determine_every_larger_group(name: str) -> None:
    """|sum of g|^2 = sum over pairs of |g + h|^2 - (B - 2) sum of |g|^2, whichever rule a pair gets."""
    model, x = example(name)
    single = squared_gradient_norms(model, x)
    pairs = [squared_gradient_norms(model, x[list(pair)], 2) for pair in combinations(range(IMAGES), 2)]
    whole = squared_gradient_norms(model, x, IMAGES)
    for key, value in whole.items():
        assert not value.requires_grad, "the pass would stay in memory"
        alone, together = single[key].sum(), torch.stack([pair[key] for pair in pairs]).sum()
        assert abs(float(together - (IMAGES - 2) * alone - value)) <= TOLERANCE * float(together + alone), key
