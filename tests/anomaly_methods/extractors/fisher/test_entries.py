"""Entries of the Fisher information matrix: against closed forms, and autograd one image at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from anomaly_methods.extractors.fisher.entries import (
    GradientEntries,
    choose_entries,
    choose_tensors,
    described_entries,
    entry_name,
    load_or_collect,
)
from anomaly_methods.extractors.fisher.images import SampledImages
from anomaly_methods.extractors.gradient_norms.parameters import trainable_parameters
from anomaly_methods.matrix_options import FISHER_MATRIX
from models.base import GenerativeModel
from tests.anomaly_methods.examples import make_meta
from tests.anomaly_methods.extractors.fisher.examples import FixedImages, GaussianMean, LinearGaussian
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized

META = make_meta(kind=FISHER_MATRIX, dataset="samples", unit="gradient of nats")


def entries_of(model: GenerativeModel, count: int, seed: int = 0) -> GradientEntries:
    parameters = trainable_parameters(model)
    x = images(5, model.image_shape)
    return GradientEntries(model, FixedImages(x), choose_entries(parameters, list(parameters), count, seed))


@pytest.mark.parametrize("name", MODELS)
def test_every_entry_is_that_of_one_backward_pass_per_image(name: str) -> None:
    model = NetModel(randomized(MODELS[name]()).double())
    wanted = entries_of(model, 3)
    with model.evaluating():
        found = wanted(range(1, 4))
        for row, place in enumerate(range(1, 4)):
            log_prob = model.log_prob(wanted.images.batch(range(place, place + 1))).sum()
            parameters = trainable_parameters(model)
            gradients = torch.autograd.grad(log_prob, list(parameters.values()), materialize_grads=True)
            for tensor, gradient in zip(parameters, gradients, strict=True):
                for chosen in wanted.entries[tensor]:
                    value = found[entry_name(tensor, int(chosen))][row]
                    expected = float(gradient.reshape(-1)[chosen])
                    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def matrix(columns: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> torch.Tensor:
    g = torch.tensor(np.stack(list(columns.values())))
    return g @ g.T / g.shape[1]


def test_of_a_gaussian_mean_the_matrix_is_the_identity_up_to_chance() -> None:
    model = GaussianMean()
    model.mean.data += 0.3
    samples = SampledImages(model, 4096, seed=1)
    found = matrix(GradientEntries(model, samples, {"mean": np.arange(6)})(range(4096)))
    # A mean of n products of independent N(0, 1) has standard deviation sqrt(1 / n), of squares sqrt(2 / n).
    assert float((found - torch.eye(6)).abs().max()) < 5 * (2 / 4096) ** 0.5


def test_of_a_linear_gaussian_the_matrix_is_a_kronecker_product_up_to_chance() -> None:
    torch.manual_seed(0)
    model = LinearGaussian(2)
    samples = SampledImages(model, 8192, seed=2)
    everything = {"layer.weight": np.arange(4), "layer.bias": np.arange(2)}
    found = matrix(GradientEntries(model, samples, everything)(range(8192)))
    # g_W = d a^T and g_b = d with d and a independent N(0, I): all of F is the identity.
    assert float((found - torch.eye(6)).abs().max()) < 5 * (8 / 8192) ** 0.5  # Var[(d a)^2] = 9 - 1


def test_entries_are_chosen_by_name_and_seed_alone() -> None:
    shapes = {"a": torch.zeros(50), "b": torch.zeros(50), "small": torch.zeros(2, 2)}
    both, alone = (choose_entries(shapes, names, 8, seed=3) for names in (["a", "b", "small"], ["b"]))
    np.testing.assert_array_equal(both["b"], alone["b"])
    assert set(both["a"]) != set(both["b"])
    assert len(set(both["a"])) == 8
    assert (np.diff(both["a"]) > 0).all()
    np.testing.assert_array_equal(both["small"], np.arange(4))
    assert set(choose_entries(shapes, ["b"], 8, seed=4)["b"]) != set(alone["b"])
    with pytest.raises(ValueError, match="At least 1 entry"):
        choose_entries(shapes, ["a"], 0)


def test_tensors_are_chosen_by_name_pattern_or_number() -> None:
    names = [f"steps.{number}.{kind}" for number in range(4) for kind in ("loc", "weight")]
    assert choose_tensors(names, ["steps.2.loc", "*.weight"]) == [
        "steps.0.weight",
        "steps.1.weight",
        "steps.2.loc",
        "steps.2.weight",
        "steps.3.weight",
    ]
    chosen = choose_tensors(names, 3, seed=1)
    assert chosen == choose_tensors(names, 3, seed=1)
    assert chosen == [name for name in names if name in chosen]
    assert len(chosen) == 3
    with pytest.raises(ValueError, match=r"no tensor 'steps\.2\.lco'; close to it are .*steps\.2\.loc"):
        choose_tensors(names, ["steps.2.lco"])
    for count in (0, 9):
        with pytest.raises(ValueError, match="1 to 8 tensors"):
            choose_tensors(names, count)


def test_a_file_is_kept_found_again_and_never_taken_for_another(tmp_path: Path) -> None:
    model = GaussianMean()
    wanted = GradientEntries(model, SampledImages(model, 20), {"mean": np.array([0, 5])})
    path = tmp_path / "f.npz"
    found = load_or_collect(wanted, META, path, batch_size=8)
    assert list(found.values) == ["mean[0]", "mean[5]"]
    assert len(found) == 20
    again = load_or_collect(replace(wanted, entries={}), META, path)  # nothing is asked of a model
    np.testing.assert_array_equal(found.value("mean[5]"), again.value("mean[5]"))
    with pytest.raises(ValueError, match="other statistics than asked for: seed"):
        load_or_collect(wanted, replace(META, seed=1), path)


def test_only_the_chosen_tensors_are_differentiated_and_all_can_be_trained_afterwards() -> None:
    model = LinearGaussian(2)
    model.layer.bias.requires_grad = False
    GradientEntries(model, FixedImages(images(3, model.image_shape)), {"layer.weight": np.array([1])})(
        range(3)
    )
    assert [parameter.requires_grad for parameter in model.layer.parameters()] == [True, False]


def test_what_is_said_of_tensors_is_in_json_types() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    said = described_entries(model, {"0.weight": np.array([1, 4])})
    assert said == {"0.weight": {"numel": 6, "shape": [2, 3], "module": "Linear", "entries": [1, 4]}}
