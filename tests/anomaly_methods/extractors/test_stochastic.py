"""Statistics of models that draw numbers of their own: by the place of an image in its set, and the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.fisher.entries import GradientEntries
from anomaly_methods.extractors.fisher.images import ChosenImages, SampledImages
from anomaly_methods.extractors.gradients import GradientExtractor
from anomaly_methods.extractors.likelihood import STANDARD_ERROR, LikelihoodExtractor
from anomaly_methods.extractors.run import extract, load_or_extract
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import dequantize
from models.base import Estimate, StochasticModel
from models.noise import normal_noise
from tests.anomaly_methods.extractors.fisher.examples import estimated
from tests.anomaly_methods.extractors.toys import SHAPE, make_images

EQUAL = ImageSet("equal", "test", np.full((23, 4, 4, 1), 77, dtype=np.uint8))


class Noisy(StochasticModel):
    """log_prob is a parameter times a standard normal number; there is nothing else to see."""

    image_shape, bound = SHAPE, "elbo"

    def __init__(self, noise_seed: int = 0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.0))
        self.noise_seed = noise_seed

    def estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        drawn = self.factor * normal_noise(x, (1,), self.noise_seed, index)[:, 0]
        return Estimate(drawn, torch.ones_like(drawn))

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return temperature * torch.rand(n, *SHAPE, generator=generator) - 0.5


def of(
    model: StochasticModel, images: ImageSet, extractor: Extractor | None = None, **more: Any
) -> Extraction:
    return Extraction(model, images, extractor or LikelihoodExtractor(), "runs/a", "a" * 64, **more)


def drawn(indices: NDArray[np.int64], seed: int = 0) -> NDArray[np.float32]:
    index = torch.from_numpy(indices)
    found: NDArray[np.float32] = normal_noise(torch.zeros(len(index), *SHAPE), (1,), seed, index)[
        :, 0
    ].numpy()
    return found


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("noise_seed", [0, 3])
def test_every_image_has_the_noise_of_its_place(tmp_path: Path, batch_size: int, noise_seed: int) -> None:
    found = extract(of(Noisy(noise_seed), EQUAL), tmp_path / "s.npz", batch_size=batch_size)
    np.testing.assert_array_equal(found.value("log_prob"), drawn(np.arange(23), noise_seed))
    few = extract(of(Noisy(noise_seed), EQUAL.limited(5)), tmp_path / "f.npz", batch_size=batch_size)
    np.testing.assert_array_equal(few.value("log_prob"), found.value("log_prob")[:5])


def test_groups_are_of_the_same_noise(tmp_path: Path) -> None:
    grouped = extract(of(Noisy(), EQUAL, LikelihoodExtractor(5)), tmp_path / "s.npz")
    np.testing.assert_allclose(
        grouped.value("log_prob"), drawn(np.arange(20)).reshape(4, 5).sum(axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(grouped.value(STANDARD_ERROR), np.full(4, np.sqrt(5)))


@pytest.mark.parametrize("group_size", [1, 4])
def test_gradients_are_of_the_same_noise(tmp_path: Path, group_size: int) -> None:
    """Over six batches, of which the last are repeated from a recording."""
    images = make_images(24)
    extractor = GradientExtractor(group_size)
    found = extract(of(Noisy(), images, extractor), tmp_path / "s.npz", batch_size=4)
    expected = drawn(np.arange(24)).reshape(-1, group_size).sum(axis=1) ** 2
    np.testing.assert_allclose(found.value("factor"), expected, rtol=1e-5)


def test_every_draw_of_dequantisation_noise_has_noise_of_its_own(tmp_path: Path) -> None:
    draws = extract(of(Noisy(), EQUAL, noise_draws=3), tmp_path / "s.npz")
    expected = np.mean([drawn(np.arange(23) + draw * 2**40) for draw in range(3)], axis=0)
    np.testing.assert_allclose(draws.value("log_prob"), expected, rtol=1e-6)
    np.testing.assert_allclose(draws.value(STANDARD_ERROR), np.full(23, 1 / np.sqrt(3)))


def test_statistics_from_when_noise_came_from_the_pixels_are_not_taken(tmp_path: Path) -> None:
    job = of(Noisy(), EQUAL)
    now = extract(job, tmp_path / "s.npz")
    fields = {**now.meta.to_json(), "settings": {}}
    Statistics(now.values, now.index, type(now.meta).from_json(fields)).save(tmp_path / "old.npz")
    with pytest.raises(ValueError, match="settings"):
        load_or_extract(job, tmp_path / "old.npz")
    assert load_or_extract(job, tmp_path / "s.npz").meta == now.meta


def test_the_fisher_information_is_of_the_noise_of_the_chosen_images(tmp_path: Path) -> None:
    images = make_images(40)
    chosen = ChosenImages(images, 9, seed=1)
    order = chosen.indices(range(9))
    assert torch.equal(chosen.batch(range(9)), dequantize(images.batch(order)))
    fisher = estimated(Noisy(), chosen, "diagonal", tmp_path, batch_size=4)
    np.testing.assert_allclose(float(fisher.moments["factor"][0]), np.mean(drawn(order) ** 2), rtol=1e-5)


def test_samples_have_the_noise_of_their_number(tmp_path: Path) -> None:
    model = Noisy()
    fisher = estimated(model, SampledImages(model, 9), "diagonal", tmp_path, batch_size=4)
    expected = np.mean(drawn(np.arange(9)) ** 2)
    np.testing.assert_allclose(float(fisher.moments["factor"][0]), expected, rtol=1e-5)


def test_gradient_entries_are_of_the_noise_of_their_number() -> None:
    model = Noisy()
    found = GradientEntries(model, SampledImages(model, 9), {"factor": np.array([0])})
    np.testing.assert_allclose(found(range(2, 7))["factor[0]"], drawn(np.arange(2, 7)), rtol=1e-5)
