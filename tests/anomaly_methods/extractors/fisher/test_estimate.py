"""The Fisher information against closed forms and the dense matrix, and how an interrupted one goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.fisher.estimate import estimate_fisher
from anomaly_methods.extractors.fisher.extractors import FisherDiagonalExtractor, FisherKroneckerExtractor
from anomaly_methods.extractors.fisher.fisher import Fisher
from anomaly_methods.extractors.fisher.images import ChosenImages, SampledImages
from tests.anomaly_methods.extractors.fisher.examples import (
    FixedImages,
    GaussianMean,
    LinearGaussian,
    dense_fisher,
    estimated,
    factorial_images,
    make_fisher_meta,
    stacked_gradients,
)
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized
from tests.anomaly_methods.extractors.toys import Gaussian, make_images

EXTRACTORS = {"diagonal": FisherDiagonalExtractor, "kronecker": FisherKroneckerExtractor}


def total(values: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(values.values())).sum(dim=0)


def signs(size: int) -> Tensor:
    """Return all (2^size, size) rows of plus and minus one: their second moment is the identity."""
    return torch.tensor(list(product([-1.0, 1.0], repeat=size)), dtype=torch.float64)


@pytest.mark.parametrize("structure", EXTRACTORS)
@pytest.mark.parametrize("group_size", [1, 2])
def test_of_a_gaussian_mean_is_the_identity(structure: str, group_size: int, tmp_path: Path) -> None:
    model = GaussianMean()
    model.mean.data += 0.3
    fisher = estimated(model, signs(6).reshape(-1, 1, 2, 3) + 0.3, structure, tmp_path)
    x = images(4, (1, 2, 3))
    found = EXTRACTORS[structure](fisher, group_size, damping=0.25)(model, x)
    sums = (x - 0.3).reshape(-1, group_size, 6).sum(dim=1)
    torch.testing.assert_close(found, {"mean": sums.square().sum(dim=1) / (1 + 0.25)})


def independent_images(model: LinearGaussian) -> Tensor:
    """Return images of every input with every residual; both have mean zero, so no block but W's and b's."""
    inputs, residuals = images(7, (1, 1, 24), seed=1)[:, 0, 0], images(5, (1, 1, 24), seed=2)[:, 0, 0]
    return factorial_images(model, torch.cat((inputs, -inputs)), torch.cat((residuals, -residuals)))


def test_kronecker_is_the_dense_matrix_where_factors_are_independent(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = LinearGaussian(24)
    reference = independent_images(model)
    fisher = estimated(model, reference, "kronecker", tmp_path)
    assert [str(block) for block in fisher.blocks.values()] == ["24 x 24", "whole"]
    x = images(6, (1, 2, 24))
    gradients = stacked_gradients(model, x, 2)
    solved = torch.linalg.solve(dense_fisher(model, reference, fisher, 0.01), gradients.T).T
    found = FisherKroneckerExtractor(fisher, 2, damping=0.01)(model, x)
    torch.testing.assert_close(total(found), (gradients * solved).sum(dim=1))


def test_kronecker_is_not_the_dense_matrix_where_they_are_not(tmp_path: Path) -> None:
    model = LinearGaussian(24)
    reference = images(60, (1, 2, 24))
    fisher = estimated(model, reference, "kronecker", tmp_path)
    x = images(6, (1, 2, 24), seed=1)
    gradients = stacked_gradients(model, x)
    solved = torch.linalg.solve(dense_fisher(model, reference, fisher, 0.01), gradients.T).T
    found = total(FisherKroneckerExtractor(fisher, damping=0.01)(model, x))
    assert ((found / (gradients * solved).sum(dim=1)).log().abs() > 0.01).all()


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("structure", EXTRACTORS)
def test_every_tensor_of_small_models_is_that_of_the_dense_matrix(
    name: str, structure: str, tmp_path: Path
) -> None:
    model = NetModel(randomized(MODELS[name]())).double()
    reference, x = images(20), images(6, seed=1)
    fisher = estimated(model, reference, structure, tmp_path, batch_size=7)
    dense = dense_fisher(model, reference, fisher, 0.1)
    found = EXTRACTORS[structure](fisher, 2, damping=0.1)(model, x)
    gradients, start = stacked_gradients(model, x, 2), 0
    for key, block in fisher.blocks.items():
        part = slice(start, start + block.numel)
        solved = torch.linalg.solve(dense[part, part], gradients[:, part].T).T
        expected = (gradients[:, part] * solved).sum(dim=1)
        torch.testing.assert_close(found[key], expected, rtol=1e-6, atol=1e-9)
        start += block.numel
    assert len(found) == len(list(model.parameters()))


def test_samples_give_the_fisher_information_of_the_model(tmp_path: Path) -> None:
    model = GaussianMean()
    fisher = estimated(model, SampledImages(model, 4000), "kronecker", tmp_path)
    matrix = fisher.moments["mean"][0]
    assert (matrix - torch.eye(6)).abs().max() < 0.1


def test_samples_are_named_by_the_seed_alone(tmp_path: Path) -> None:
    model = GaussianMean()
    one, other = (
        estimated(model, SampledImages(model, 50, seed=3), "diagonal", tmp_path / str(size), batch_size=size)
        for size in (7, 50)
    )
    torch.testing.assert_close(one.moments["mean"], other.moments["mean"], rtol=1e-12, atol=0)
    more = estimated(model, SampledImages(model, 50, seed=4), "diagonal", tmp_path)
    assert not torch.allclose(more.moments["mean"][0], one.moments["mean"][0])


def test_images_are_chosen_at_random_once_each_and_taken_at_bin_centres() -> None:
    image_set = make_images(40)
    first, again, other = (ChosenImages(image_set, 15, seed=seed).batch(range(15)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    everything = (image_set.batch(range(40)).float() + 0.5) / 256 - 0.5
    places = [int((everything == x).flatten(1).all(dim=1).nonzero()) for x in first]
    assert len(set(places)) == 15
    assert max(places) > 15
    assert torch.equal(ChosenImages(image_set, 15).batch(range(3, 9)), first[3:9])


@pytest.mark.parametrize("count", [0, 41])
def test_impossible_numbers_of_images_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"takes 1 to 40 images of cats, got {count}"):
        ChosenImages(make_images(40), count)
    if not count:
        with pytest.raises(ValueError, match="at least 1 sample, got 0"):
            SampledImages(GaussianMean(), count)


class Interrupted(FixedImages):
    """Stops as if by Ctrl-C at the image of some place; notes the places that were asked for."""

    def __init__(self, images: Tensor, stop: int | None = None) -> None:
        super().__init__(images)
        self.places: list[int] = []
        self._stop = stop

    def batch(self, places: range) -> Tensor:
        if self._stop is not None and self._stop in places:
            raise KeyboardInterrupt
        self.places += places
        return super().batch(places)


def interrupt(model: GaussianMean, x: Tensor, folder: Path, structure: str = "kronecker") -> None:
    with pytest.raises(KeyboardInterrupt):
        estimated(model, Interrupted(x, 12), structure, folder, batch_size=5, part_seconds=0.0)
    assert not (folder / f"{structure}.safetensors").exists()


@pytest.mark.parametrize("structure", EXTRACTORS)
def test_a_killed_estimate_goes_on_where_it_was(structure: str, tmp_path: Path) -> None:
    model, x = GaussianMean(), images(20, (1, 2, 3))
    interrupt(model, x, tmp_path, structure)
    rest = Interrupted(x)
    resumed = estimated(model, rest, structure, tmp_path, batch_size=5)
    assert rest.places == list(range(10, 20))
    whole = estimated(model, x, structure, tmp_path / "whole", batch_size=5)
    assert same_moments(resumed, whole)
    assert (resumed.sha256, resumed.images) == (whole.sha256, {"mean": 20})
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{structure}.safetensors"]


def test_a_damaged_part_and_that_of_another_estimate_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, x = GaussianMean(), images(20, (1, 2, 3))
    part = tmp_path / "kronecker.safetensors.part"
    expected = estimated(model, x, "kronecker", tmp_path / "whole").sha256
    interrupt(model, x, tmp_path)
    part.write_bytes(part.read_bytes()[:-5])
    assert estimated(model, x, "kronecker", tmp_path).sha256 == expected
    assert "truncated or damaged" in caplog.text
    (tmp_path / "kronecker.safetensors").unlink()
    interrupt(model, x, tmp_path)
    meta = make_fisher_meta("kronecker", 20, seed=7)
    estimate_fisher(model, rest := Interrupted(x), meta, tmp_path / "kronecker.safetensors")
    assert len(rest.places) == 20
    assert "seed is 0 (model 'runs/specific') instead of 7" in caplog.text


def test_images_without_a_finite_gradient_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, x = GaussianMean(), images(20, (1, 2, 3))
    broken = torch.cat((x, torch.full((3, 1, 2, 3), torch.nan, dtype=torch.float64)))
    with caplog.at_level(logging.WARNING):
        fisher = estimated(model, broken, "diagonal", tmp_path, batch_size=4)
    assert fisher.images == {"mean": 20}
    assert "of 23 images, but the gradient of 1 tensors is not finite for up to 3 of them" in caplog.text
    assert same_moments(fisher, estimated(model, x, "diagonal", tmp_path, batch_size=4))
    with pytest.raises(ValueError, match="gradient of 'mean' is finite for none of 3 images"):
        estimated(model, broken[20:], "diagonal", tmp_path)


def test_gradients_whose_squares_overflow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"squares of the gradient of 'mean' are too large for torch\.float"):
        estimated(GaussianMean().float(), 1e25 * images(5, (1, 2, 3)).float(), "kronecker", tmp_path)


def test_tensors_that_no_image_moves_are_damped_by_the_mean_of_all(tmp_path: Path) -> None:
    model = NetModel(nn.ModuleDict({"used": nn.Conv2d(2, 1, 1), "unused": nn.Linear(2, 2)})).double()
    model.net.forward = model.net["used"].forward  # type: ignore[index]
    fisher = estimated(model, images(9), "kronecker", tmp_path)
    traces = {name: block.trace(fisher.moments[name]) for name, block in fisher.blocks.items()}
    damping = fisher.damping(0.5)
    assert damping["net.used.weight"] == pytest.approx(0.5 * traces["net.used.weight"] / 2)
    assert damping["net.unused.weight"] == pytest.approx(0.5 * sum(traces.values()) / 9)
    found = FisherKroneckerExtractor(fisher)(model, images(3))
    assert found["net.unused.bias"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("fraction", [0.0, -1.0, float("nan"), float("inf")])
def test_a_damping_that_divides_by_zero_or_hides_everything_is_refused(
    fraction: float, tmp_path: Path
) -> None:
    fisher = estimated(GaussianMean(), images(9, (1, 2, 3)), "diagonal", tmp_path)
    with pytest.raises(ValueError, match=f"positive fraction of the mean of F, got {fraction}"):
        FisherDiagonalExtractor(fisher, damping=fraction)


def test_a_model_that_no_parameter_changes_is_refused(tmp_path: Path) -> None:
    fisher = estimated(GaussianMean(), torch.zeros(3, 1, 2, 3).double(), "diagonal", tmp_path)
    with pytest.raises(ValueError, match="is zero: its log_prob depends on no parameter"):
        FisherDiagonalExtractor(fisher)


def test_batches_and_counts_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    model, x = GaussianMean(), images(3, (1, 2, 3))
    with pytest.raises(ValueError, match="batch size must be at least 1, got 0"):
        estimated(model, x, "diagonal", tmp_path, batch_size=0)
    with pytest.raises(ValueError, match="to be of 4 images, but there are 3"):
        estimate_fisher(model, FixedImages(x), make_fisher_meta("diagonal", 4), tmp_path / "f")


def test_a_model_that_mixes_images_is_refused(tmp_path: Path) -> None:
    class Mixing(GaussianMean):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x - x.mean(dim=0))

    with pytest.raises(ValueError, match="mixes images or is random"):
        estimated(Mixing(), images(5, (1, 2, 3)), "diagonal", tmp_path)


def test_moments_are_as_exact_as_the_parameters(tmp_path: Path) -> None:
    model = Gaussian(3.0)
    fisher = estimated(model, ChosenImages(make_images(30), 30), "kronecker", tmp_path, batch_size=4)
    x = (make_images(30).batch(range(30)).double() + 0.5) / 256 - 0.5
    gradients = (16 / 3 - 3 * x.square().flatten(1).sum(dim=1)).numpy()
    np.testing.assert_allclose(float(fisher.moments["precision"][0]), np.mean(gradients**2), rtol=1e-6)
    assert fisher.moments["precision"][0].dtype == torch.float32


def same_moments(one: Fisher, other: Fisher) -> bool:
    pairs: Sequence[tuple[Tensor, Tensor]] = [
        pair for name in one.moments for pair in zip(one.moments[name], other.moments[name], strict=True)
    ]
    return all(torch.equal(first, second) for first, second in pairs)
