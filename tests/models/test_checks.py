"""What `check_model` says of models that are fine, and of models with one fault each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.base import GenerativeModel
from models.checks import check_model
from models.pixelcnn import PixelCNN
from models.pixelcnn.config import PixelCNNConfig
from models.vae import VAE
from models.vae.config import VAEConfig

SHAPE = (1, 8, 8)


class Gaussian(GenerativeModel):
    """Pixels around means that are learned."""

    bound = "exact"

    def __init__(self) -> None:
        super().__init__()
        self.image_shape = SHAPE
        self.mean = nn.Parameter(torch.zeros(SHAPE))

    def log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = torch.distributions.Normal(self.mean, 0.3).log_prob(x).sum(dim=(1, 2, 3))
        return log_prob

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.mean.detach() + 0.3 * temperature * torch.randn(n, *SHAPE, generator=generator)


class Scalar(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x).sum()


class PerChannel(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x)[:, None]


class Squeezed(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x).squeeze()


class OfSeveral(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x.reshape(4, *SHAPE))


class Mixing(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x - x.mean(dim=0))


class Random(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x + torch.rand_like(x))


class Detached(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x).detach()


class InPlace(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x.mul_(2))


class Infinite(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) / 0


class Frozen(Gaussian):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(requires_grad=False)


class Unused(Gaussian):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(3))


class Flat(Gaussian):
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return super().sample(n, generator, temperature).flatten(1)


class OtherSize(Gaussian):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x[:, :, :5])


class Unnamed(Gaussian):
    bound: Any = "tight"


class Misshapen(Gaussian):
    def __init__(self) -> None:
        super().__init__()
        self.image_shape = (3, 8, 8)


@pytest.mark.parametrize(
    "model",
    [
        Gaussian(),
        VAE(VAEConfig(SHAPE, latent_dimensions=2, hidden_channels=8)),
        PixelCNN(PixelCNNConfig(SHAPE, hidden_channels=4, mixtures=2)),
    ],
    ids=["gaussian", "vae", "pixelcnn"],
)
def test_nothing_is_wrong_with_these(model: GenerativeModel) -> None:
    assert check_model(model, SHAPE) == []
    assert model.training


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Scalar(), "but returns a scalar: sum over the dimensions of an image, not over the batch."),
        (PerChannel(), "but returns shape (4, 1)"),
        (Squeezed(), "log_prob of a single image must have shape (1,), but has ()"),
        (OfSeveral(), "log_prob fails on a single image, shape (1, 1, 8, 8): RuntimeError"),
        (Mixing(), "depends on the others of the batch"),
        (Random(), "changes from call to call"),
        (Detached(), "is not differentiable by the parameters"),
        (InPlace(), "changes the images that it is given"),
        (Infinite(), "of 4 of 4 images of uniform noise is not finite"),
        (Frozen(), "no trainable parameters"),
        (Unused(), "does not depend on 1 of 2 parameter tensors (spare, ...)"),
        (Flat(), "must return images of shape (2, 1, 8, 8), but returns (2, 64)"),
        (OtherSize(), "log_prob fails on images of shape (4, 1, 8, 8): ValueError"),
        (Unnamed(), "bound must be one of exact, elbo, surrogate, which tables print, but is 'tight'"),
        (Misshapen(), "image_shape must be the tuple (1, 8, 8), the shape of one image, but is (3, 8, 8)"),
        (nn.Linear(2, 2), "Linear is no GenerativeModel"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_fault_is_one_sentence(model: nn.Module, words: str) -> None:
    (sentence,) = check_model(model, SHAPE)
    assert words in sentence
