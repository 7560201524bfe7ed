"""Whatever a model of somebody's own raises or returns is a sentence with its name, the call, the images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.classes import ClassExtractor
from anomaly_methods.extractors.gradients import GradientExtractor
from anomaly_methods.extractors.likelihood import LikelihoodExtractor
from anomaly_methods.extractors.of_model import statistics_of
from models.base import ClassConditionalModel
from tests.anomaly_methods.extractors.toys import Gaussian, GaussianScales, make_images

ERRORS: list[Exception] = [
    *(KeyError("reason"), AssertionError("reason"), AttributeError("reason"), IndexError("reason")),
    *(NotImplementedError("reason"), RuntimeError("reason"), ValueError("reason"), TypeError("reason")),
]


class Failing(Gaussian):
    """Raises an error from some call of log_prob on."""

    def __init__(self, error: BaseException, call: int = 1) -> None:
        super().__init__()
        self.error, self.call = error, call

    def log_prob(self, x: Tensor) -> Tensor:
        found = super().log_prob(x)
        if self.calls >= self.call:
            raise self.error
        return found


class FailingScales(GaussianScales):
    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise KeyError(len(x))


class FailingClasses(Gaussian, ClassConditionalModel):
    classes = 3

    def class_log_probs(self, x: Tensor) -> Tensor:
        raise KeyError(len(x))


class Returning(Gaussian):
    """Returns something else from log_prob."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def log_prob(self, x: Tensor) -> Any:
        return self.value if len(x) else super().log_prob(x)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("extractor", [LikelihoodExtractor(), GradientExtractor(), GradientExtractor(2)])
def test_an_error_of_the_model_is_one_sentence(error: Exception, extractor: Extractor) -> None:
    x = torch.zeros(4, 1, 4, 4)
    words = (
        rf"^Failing fails in log_prob on images of shape \(4, 1, 4, 4\), .*: {type(error).__name__}: '?reason"
    )
    with pytest.raises(ValueError, match=words) as caught:
        extractor(Failing(error), x)
    assert caught.value.__cause__ is error
    with pytest.raises(ValueError, match=words):
        statistics_of(Failing(error), make_images(4), extractor)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("extractor", [LikelihoodExtractor(), GradientExtractor()])
def test_so_is_one_of_a_later_batch(error: Exception, extractor: Extractor) -> None:
    words = rf"Failing fails in .* on images of shape \(\d, 1, 4, 4\), torch\.float32: {type(error).__name__}"
    for call in range(2, 7):
        with pytest.raises(ValueError, match=words):
            statistics_of(Failing(error, call), make_images(12), extractor, batch_size=2)


@pytest.mark.parametrize(
    ("model", "extractor", "call"),
    [
        (FailingScales(), LikelihoodExtractor(), "scale_terms"),
        (FailingClasses(), ClassExtractor(), "class_log_probs"),
    ],
)
def test_other_calls_are_named(model: Any, extractor: Extractor, call: str) -> None:
    with pytest.raises(ValueError, match=rf"fails in {call} on images of .*: KeyError: 2\.$"):
        extractor(model, torch.zeros(2, 1, 4, 4))


@pytest.mark.parametrize("value", [None, 1.5, [0.0, 1.0], (torch.zeros(2), torch.zeros(2))])
@pytest.mark.parametrize("extractor", [LikelihoodExtractor(), GradientExtractor()])
def test_what_is_no_tensor_is_named(value: Any, extractor: Extractor) -> None:
    words = rf"log_prob must be a tensor of shape \(2,\) for 2 images, but is of type {type(value).__name__}"
    with pytest.raises(ValueError, match=words):
        extractor(Returning(value), torch.zeros(2, 1, 4, 4))


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), torch.OutOfMemoryError()])
def test_an_interrupt_and_a_lack_of_memory_stay_what_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)):
        statistics_of(Failing(error), make_images(4))
