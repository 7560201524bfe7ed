"""Log-likelihoods given each class: those of the model, summed over groups, and their mixture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from anomaly_methods.extractors.classes import ClassExtractor
from invglow.flows import GlowConfig
from models.glow import ClassConditionalGlow, Glow
from tests.anomaly_methods.extractors.toys import Gaussian
from tests.properties import random_images, randomize

IMAGES = random_images(6, 1, 4, 4, dtype=torch.float32)


def model() -> ClassConditionalGlow:
    config = GlowConfig(image_shape=(1, 4, 4), scales=1, steps_per_scale=1, hidden_channels=4, classes=3)
    torch.manual_seed(0)
    found = Glow.from_config(config)
    assert isinstance(found, ClassConditionalGlow)
    randomize(found, scale=0.3)
    return found


def test_values_are_those_of_the_model_and_their_mixture_is_its_likelihood() -> None:
    found = ClassExtractor()(model(), IMAGES)
    assert list(found) == ["log_prob.class0", "log_prob.class1", "log_prob.class2"]
    together = torch.stack(list(found.values()), dim=1)
    torch.testing.assert_close(together.float(), model().class_log_probs(IMAGES).detach())
    mixture = together.logsumexp(dim=1) - math.log(3)
    torch.testing.assert_close(mixture.float(), model().log_prob(IMAGES).detach())


def test_values_of_a_group_are_the_sums_over_its_images() -> None:
    one, three = (ClassExtractor(size)(model(), IMAGES) for size in (1, 3))
    for name, values in three.items():
        np.testing.assert_allclose(values, one[name].reshape(2, 3).sum(dim=1))


def test_details_say_how_many_classes_and_a_model_without_any_is_refused() -> None:
    assert ClassExtractor().details(model()) == {"classes": 3}
    with pytest.raises(ValueError, match=r"Gaussian has no classes: train it with labels \(--labels\)"):
        ClassExtractor()(Gaussian(), IMAGES)
