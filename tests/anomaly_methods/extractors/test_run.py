"""Extraction of whole image sets: what comes out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.likelihood import STANDARD_ERROR, LikelihoodExtractor
from anomaly_methods.extractors.run import extract, load_or_extract
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import dequantize
from models.base import Estimate, GenerativeModel
from tests.anomaly_methods.extractors.toys import SHAPE, Gaussian, GaussianScales, make_images


def extraction(
    model: GenerativeModel | None = None, images: ImageSet | None = None, **changes: Any
) -> Extraction:
    fields = {"extractor": LikelihoodExtractor(), "model_name": "runs/a", "checkpoint_sha256": "a" * 64}
    return Extraction(model or Gaussian(), images or make_images(23), **{**fields, **changes})


def test_statistics_are_those_of_the_model_on_bin_centres(tmp_path: Path) -> None:
    model, images = GaussianScales(), make_images(23)
    statistics = extract(extraction(model, images), tmp_path / "s.npz", batch_size=5)
    x = dequantize(torch.from_numpy(images.images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(statistics.value("log_prob"), model.log_prob(x).detach().numpy(), rtol=1e-6)
    np.testing.assert_array_equal(statistics.index, np.arange(23))
    saved = Statistics.load(tmp_path / "s.npz")
    assert saved.meta == statistics.meta
    np.testing.assert_array_equal(saved.value("log_det.scale1"), statistics.value("log_det.scale1"))
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]


def test_meta_tells_where_the_numbers_come_from(tmp_path: Path) -> None:
    images = make_images(23)
    job = extraction(images=images, extractor=LikelihoodExtractor(5), noise_draws=2, seed=7)
    meta = extract(job, tmp_path / "s.npz").meta
    assert (meta.kind, meta.bound, meta.unit, meta.extractor_version) == ("likelihood", "exact", "nats", 1)
    assert (meta.dataset, meta.split, meta.dataset_sha256) == ("cats", "test", images.sha256())
    assert (meta.image_shape, meta.group_size, meta.dropped) == (SHAPE, 5, 3)
    assert (meta.noise_draws, meta.seed) == (2, 7)
    assert set(meta.versions) == {"invglow", "python", "numpy", "torch"}


@pytest.mark.parametrize("noise_draws", [0, 3])
@pytest.mark.parametrize("group_size", [1, 5])
def test_batching_changes_nothing(tmp_path: Path, noise_draws: int, group_size: int) -> None:
    results = []
    for batch_size in (1, 4, 7, 100):
        job = extraction(GaussianScales(), extractor=LikelihoodExtractor(group_size), noise_draws=noise_draws)
        results.append(extract(job, tmp_path / "s.npz", batch_size=batch_size))
    for other in results[1:]:
        np.testing.assert_allclose(other.value("log_prob"), results[0].value("log_prob"), rtol=1e-6)
        np.testing.assert_array_equal(other.index, results[0].index)


def test_groups_are_sums_of_consecutive_images_and_the_tail_is_dropped(tmp_path: Path) -> None:
    single = extract(extraction(), tmp_path / "one.npz").value("log_prob")
    grouped = extract(extraction(extractor=LikelihoodExtractor(5)), tmp_path / "five.npz", batch_size=12)
    np.testing.assert_allclose(grouped.value("log_prob"), single[:20].reshape(4, 5).sum(axis=1))
    assert list(grouped.index) == [0, 5, 10, 15]
    assert grouped.meta.dropped == 3


def test_noise_is_averaged_over_draws_and_seeded(tmp_path: Path) -> None:
    """The Gaussian's log_prob is quadratic, so the mean over much noise is known: variance 1/12 per bin."""
    centre = extract(extraction(), tmp_path / "s.npz").value("log_prob")
    noisy = extract(extraction(noise_draws=400), tmp_path / "n.npz").value("log_prob")
    expected = centre - 16 * 2.0**2 / 2 / 12 / 256**2
    assert np.abs(noisy - expected).max() < 5 * 2.0**2 * 0.5 * np.sqrt(16 / 12 / 400) / 256
    one, same, other = (
        extract(extraction(noise_draws=1, seed=s), tmp_path / "n.npz").value("log_prob") for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


def test_the_standard_error_over_draws_of_noise_is_that_of_their_mean(tmp_path: Path) -> None:
    class Estimating(Gaussian):
        """Its standard error is 1, 2, 3, ... from call to call."""

        def estimate(self, x: Tensor) -> Estimate:
            log_prob = self.log_prob(x)
            return Estimate(log_prob, torch.full_like(log_prob, float(self.calls)))

    one = extract(extraction(Estimating(), noise_draws=1), tmp_path / "1.npz").value(STANDARD_ERROR)
    three = extract(extraction(Estimating(), noise_draws=3), tmp_path / "3.npz").value(STANDARD_ERROR)
    np.testing.assert_allclose(one, np.ones(23))
    np.testing.assert_allclose(three, np.full(23, np.sqrt(1 + 4 + 9) / 3))


def test_noise_of_an_image_is_that_of_its_place(tmp_path: Path) -> None:
    images = make_images(23)
    whole = extract(extraction(images=images, noise_draws=2), tmp_path / "a.npz").value("log_prob")
    few = extract(extraction(images=images.limited(9), noise_draws=2), tmp_path / "b.npz").value("log_prob")
    np.testing.assert_allclose(few, whole[:9], rtol=1e-6)


def test_nonfinite_values_stay_in_the_file(tmp_path: Path) -> None:
    class Breaking(Gaussian):
        def log_prob(self, x: Tensor) -> Tensor:
            values = super().log_prob(x).clone()
            values[0], values[1] = torch.nan, -torch.inf
            return values

    extract(extraction(Breaking()), tmp_path / "s.npz", batch_size=100)
    statistics = Statistics.load(tmp_path / "s.npz")
    assert statistics.nonfinite() == {"log_prob": 2}
    assert np.isnan(statistics.value("log_prob")[0])


def test_the_model_is_in_evaluation_mode_and_as_before_afterwards(tmp_path: Path) -> None:
    class Watching(Gaussian):
        seen: tuple[bool, bool, bool] | None = None

        def log_prob(self, x: Tensor) -> Tensor:
            last = x.is_contiguous(memory_format=torch.channels_last)
            self.seen = (self.training, torch.is_inference_mode_enabled(), last)
            return super().log_prob(x)

    model = Watching()
    extract(extraction(model), tmp_path / "s.npz")
    assert model.seen == (False, True, True)
    assert model.training
    assert not torch.is_inference_mode_enabled()


def test_an_extractor_may_ask_for_gradients_settings_and_details(tmp_path: Path) -> None:
    class Norms(Extractor):
        name, version, needs_gradients, settings = "gradients", 4, True, {"damping": 0.5}

        def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
            groups = model.log_prob(x).unflatten(0, (-1, self.group_size)).sum(dim=1)
            norms = [
                torch.autograd.grad(g, list(model.parameters()), retain_graph=True)[0] ** 2 for g in groups
            ]
            return {"precision": torch.stack(norms)}

        def details(self, model: GenerativeModel) -> dict[str, Any]:
            return {"numel": {name: p.numel() for name, p in model.named_parameters()}}

    images = make_images(7)
    statistics = extract(extraction(images=images, extractor=Norms(2)), tmp_path / "s.npz", batch_size=4)
    x = dequantize(images.batch(range(6))).flatten(1).double().numpy()
    gradient = (16 / 2.0 - 2.0 * (x**2).sum(axis=1)).reshape(3, 2).sum(axis=1)
    np.testing.assert_allclose(statistics.value("precision"), gradient**2, rtol=1e-5)
    assert statistics.meta.details == {"numel": {"precision": 1}}
    assert (statistics.meta.settings, statistics.meta.kind) == ({"damping": 0.5}, "gradients")


def test_images_that_do_not_fit_are_refused() -> None:
    colour = ImageSet("dogs", "test", np.zeros((3, 4, 4, 3), dtype=np.uint8))
    large = ImageSet("large", "test", np.zeros((3, 8, 8, 1), dtype=np.uint8))
    with pytest.raises(ValueError, match="dogs has colour images, but the model takes grey"):
        extraction(images=colour)
    with pytest.raises(ValueError, match="large has images of 8x8"):
        extraction(images=large)
    with pytest.raises(ValueError, match="cats has 3 images, too few for one group of 5"):
        extraction(images=make_images(3), extractor=LikelihoodExtractor(5))


@pytest.mark.parametrize("changes", [{"noise_draws": -1}, {"seed": -1}])
def test_negative_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"got .*-1"):
        extraction(**changes)


def test_a_batch_size_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        extract(extraction(), tmp_path / "s.npz", batch_size=0)


def test_a_wrong_output_leaves_no_file(tmp_path: Path) -> None:
    class Wrong(Gaussian):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x).mean()

    with pytest.raises(ValueError, match=r"shape \(23,\) for 23 images, but has \(\)"):
        extract(extraction(Wrong()), tmp_path / "s.npz")
    assert list(tmp_path.iterdir()) == []


def test_statistics_that_are_there_are_used(tmp_path: Path) -> None:
    first = load_or_extract(extraction(), tmp_path / "s.npz")
    model = Gaussian()
    again = load_or_extract(extraction(model), tmp_path / "s.npz", batch_size=2)
    assert model.calls == 0
    np.testing.assert_array_equal(again.value("log_prob"), first.value("log_prob"))
    load_or_extract(extraction(model), tmp_path / "s.npz", recompute=True)
    assert model.images_seen == 23


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"checkpoint_sha256": "b" * 64}, "checkpoint_sha256 is 'aaaa.*instead of 'bbbb"),
        ({"images": make_images(23, name="dogs", seed=1)}, "dataset_sha256 is .*on 'cats'.*on 'dogs'"),
        ({"images": make_images(23).limited(9)}, "dataset_sha256"),
        ({"extractor": LikelihoodExtractor(5)}, "group_size is 1 .*instead of 5"),
        ({"noise_draws": 2}, "noise_draws|preprocessing"),
    ],
)
def test_other_statistics_than_asked_for_are_refused_and_kept(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "s.npz"
    load_or_extract(extraction(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=said):
        load_or_extract(extraction(**changes), path)
    assert path.read_bytes() == before
    load_or_extract(extraction(**changes), path, recompute=True)
    load_or_extract(extraction(**changes), path)


def test_a_seed_without_noise_makes_no_difference(tmp_path: Path) -> None:
    first = load_or_extract(extraction(seed=1), tmp_path / "s.npz")
    model = Gaussian()
    again = load_or_extract(extraction(model, seed=2), tmp_path / "s.npz")
    assert model.calls == 0
    np.testing.assert_array_equal(again.value("log_prob"), first.value("log_prob"))
    load_or_extract(extraction(seed=1, noise_draws=1), tmp_path / "noisy.npz")
    with pytest.raises(ValueError, match=r"seed is 1 .*instead of 2"):
        load_or_extract(extraction(seed=2, noise_draws=1), tmp_path / "noisy.npz")


def test_a_truncated_file_is_named_and_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    load_or_extract(extraction(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"s\.npz is truncated or damaged"):
        load_or_extract(extraction(), path)
    assert len(load_or_extract(extraction(), path, recompute=True)) == 23
