"""Gradient features do not change when the data are written in other coordinates; likelihoods do."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import squared_gradient_norms
from invglow.flows import GlowConfig
from models.base import GenerativeModel
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import images, randomized

SHAPE = (1, 4, 4)


class Rewritten(GenerativeModel):
    """The density of y = T(x) where x has that of a model: p(y) = p(x) |dx/dy| (Dauncey et al., 2024)."""

    bound = "exact"

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model
        self.image_shape = model.image_shape

    def log_prob(self, x: Tensor) -> Tensor:
        original, log_det = self.back(x)
        return self.model.log_prob(original) + log_det

    def back(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log|dx/dy|, (B,)."""
        raise NotImplementedError

    def there(self, x: Tensor) -> Tensor:
        """Return y."""
        raise NotImplementedError

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.there(self.model.sample(n, generator, temperature))


class Affine(Rewritten):
    """Every pixel with a scale and a shift of its own."""

    scale = torch.linspace(-3, 5, 16).add(0.3).reshape(SHAPE)
    shift = torch.linspace(-1, 1, 16).reshape(SHAPE)

    def there(self, x: Tensor) -> Tensor:
        return x * self.scale.to(x) + self.shift.to(x)

    def back(self, y: Tensor) -> tuple[Tensor, Tensor]:
        log_det = -self.scale.to(y).abs().log().sum()
        return (y - self.shift.to(y)) / self.scale.to(y), log_det.expand(len(y))


class Logit(Rewritten):
    """y = logit(a + (1 - 2 a)(x + 1/2)), as many flows take their images."""

    margin = 0.05

    def there(self, x: Tensor) -> Tensor:
        return (self.margin + (1 - 2 * self.margin) * (x + 0.5)).logit()

    def back(self, y: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.sigmoid(y)
        log_det = (inside * (1 - inside) / (1 - 2 * self.margin)).log().flatten(1).sum(dim=1)
        return (inside - self.margin) / (1 - 2 * self.margin) - 0.5, log_det


def test_features_do_not_change_but_likelihoods_do() -> None:
    torch.manual_seed(0)
    model = Glow.from_config(GlowConfig(SHAPE, 1, 2, 4))
    randomized(model)
    x = images(6, SHAPE).float()
    features, log_prob = squared_gradient_norms(model, x, 2), model.log_prob(x)
    for rewritten in (Affine(model), Logit(model)):
        y = rewritten.there(x)
        found = squared_gradient_norms(rewritten, y, 2)
        for name, expected in features.items():
            torch.testing.assert_close(found[f"model.{name}"], expected, rtol=1e-4, atol=0)
        assert (rewritten.log_prob(y) - log_prob).abs().min() > 1
