"""What `check_model` says of models that are fine, and of models with one fault each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.base import Estimate, GenerativeModel, StochasticModel
from models.checks import check_model
from models.noise import normal_noise
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


class Broken(Gaussian):
    """Raises an error in one of its calls."""

    def __init__(self, error: BaseException, call: str = "log_prob") -> None:
        super().__init__()
        self.error, self.call, self.calls = error, call, 0

    def log_prob(self, x: Tensor) -> Tensor:
        self.calls += 1
        self._fail_in("log_prob")
        self._fail_in("one" if len(x) == 1 else f"call {self.calls}")
        log_prob = super().log_prob(x)
        if log_prob.requires_grad:
            log_prob.register_hook(lambda _: self._fail_in("gradient"))
        return log_prob

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        self._fail_in("sample")
        return super().sample(n, generator, temperature)

    def train(self, mode: bool = True) -> Broken:
        self._fail_in("eval")
        return super().train(mode)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
        self._fail_in("parameters")
        return super().named_parameters(*args, **kwargs)

    def _fail_in(self, call: str) -> None:
        if call == self.call:
            raise self.error


class Shapeless(Gaussian):
    """Computes its attributes, or tries to."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        raise KeyError("shape")

    @image_shape.setter
    def image_shape(self, shape: tuple[int, int, int]) -> None:
        pass


class OneSize(Gaussian):
    def __init__(self) -> None:
        super().__init__()
        self.image_shape: Any = 8


class Arrays(Gaussian):
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Any:
        return super().sample(n, generator, temperature).numpy()


class Noisy(StochasticModel):
    """Pixels around means that are learned, seen through noise of their own."""

    bound = "elbo"

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.image_shape = SHAPE
        self.mean = nn.Parameter(torch.zeros(SHAPE))
        self.fault = fault

    def estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        if self.fault == "place" and index is not None:
            index = torch.arange(len(x))
        drawn = normal_noise(x, SHAPE, 0, index)
        log_prob = -(x + 0.1 * drawn - self.mean).square().sum(dim=(1, 2, 3))
        if self.fault == "scalar" and index is not None:
            log_prob = log_prob.sum()
        return Estimate(log_prob, None)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.mean.detach() + temperature * torch.randn(n, *SHAPE, generator=generator)


class WithoutIndex(Noisy):
    def log_prob(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.estimate(x).log_prob


class Mute(Exception):  # noqa: N818 - what a user may write
    def __str__(self) -> str:
        raise KeyError("message")


@pytest.mark.parametrize(
    "model",
    [
        Gaussian(),
        Noisy(),
        VAE(VAEConfig(SHAPE, latent_dimensions=2, hidden_channels=8)),
        PixelCNN(PixelCNNConfig(SHAPE, hidden_channels=4, mixtures=2)),
    ],
    ids=["gaussian", "noisy", "vae", "pixelcnn"],
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
        (OfSeveral(), "log_prob of a single image, shape (1, 1, 8, 8) fails: RuntimeError"),
        (Mixing(), "depends on the others of the batch"),
        (Random(), "changes from call to call"),
        (Noisy("place"), "log_prob(x, index) of an image depends on its place in the batch"),
        (Noisy("scalar"), "log_prob(x, index) must return shape (4,) for 4 images"),
        (WithoutIndex(), "takes "),
        (Detached(), "is not differentiable by the parameters"),
        (InPlace(), "changes the images that it is given"),
        (Infinite(), "of 4 of 4 images of uniform noise is not finite"),
        (Frozen(), "no trainable parameters"),
        (Unused(), "does not depend on 1 of 2 parameter tensors (spare, ...)"),
        (Flat(), "must return images of shape (2, 1, 8, 8), but returns (2, 64)"),
        (OtherSize(), "log_prob of images of shape (4, 1, 8, 8) fails: ValueError"),
        (Unnamed(), "bound must be one of exact, elbo, surrogate, which tables print, but is 'tight'"),
        (Misshapen(), "image_shape must be the tuple (1, 8, 8), the shape of one image, but is (3, 8, 8)"),
        (OneSize(), "image_shape must be the tuple (1, 8, 8), the shape of one image, but is 8"),
        (Shapeless(), "image_shape fails: KeyError: 'shape'."),
        (Arrays(), "must return images of shape (2, 1, 8, 8), but returns ndarray"),
        (nn.Linear(2, 2), "Linear is no GenerativeModel"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_fault_is_one_sentence(model: nn.Module, words: str) -> None:
    (sentence,) = check_model(model, SHAPE)
    assert words in sentence


@pytest.mark.parametrize(
    "error",
    [
        *(KeyError("k"), AssertionError("k"), AttributeError("k"), IndexError("k"), NotImplementedError("k")),
        *(ZeroDivisionError("k"), OSError("k"), RecursionError("k"), Exception("k")),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("log_prob", "log_prob of images of shape (4, 1, 8, 8) fails"),
        ("call 2", "log_prob of images of shape (4, 1, 8, 8) fails"),
        ("one", "log_prob of a single image, shape (1, 1, 8, 8) fails"),
        ("sample", "sample(2, generator) fails"),
        ("eval", "eval() fails"),
        ("parameters", "parameters(), which needs super().__init__() first in the constructor, fails"),
    ],
)
def test_whatever_a_model_raises_is_one_sentence(error: Exception, call: str, words: str) -> None:
    (sentence,) = check_model(Broken(error, call), SHAPE)
    assert sentence.startswith(f"{words}: {type(error).__name__}: ")
    assert sentence.endswith(("k.", "k'."))


def test_what_a_gradient_raises_and_an_error_without_words_are_sentences() -> None:
    (sentence,) = check_model(Broken(KeyError("gradient"), "gradient"), SHAPE)
    assert sentence == "The gradient of log_prob by the parameters fails: KeyError: 'gradient'."
    (sentence,) = check_model(Broken(AssertionError()), SHAPE)
    assert sentence == "log_prob of images of shape (4, 1, 8, 8) fails: AssertionError."
    (sentence,) = check_model(Broken(Mute()), SHAPE)
    assert sentence == "log_prob of images of shape (4, 1, 8, 8) fails: Mute."
    (sentence,) = check_model(Broken(RuntimeError("line\n" * 500)), SHAPE)
    assert len(sentence) < 400
    assert "\n" not in sentence


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), MemoryError()])
def test_an_interrupt_and_a_lack_of_memory_are_not_the_models_fault(error: BaseException) -> None:
    model = Broken(error)
    with pytest.raises(type(error)):
        check_model(model, SHAPE)
    assert model.training


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 0), (1, 8.0, 8)])
def test_a_shape_that_no_image_has_is_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match="three positive whole numbers, \\(C, H, W\\), but is"):
        check_model(Gaussian(), shape)
