"""Evaluation while training: bits per dimension, and the AUROC of the difference of two models."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from invglow.data.image_set import ImageSet
from invglow.training import Evaluation
from invglow.training.evaluation import accuracy, log_probs
from tests.invglow.training.toys import CPU, Gaussian, GaussianMixture, make_images

INSIDE, OUTSIDE = make_images(30, seed=1, top=230), make_images(20, seed=2)
SETS = {"train": make_images(seed=3), "test": INSIDE, "others": OUTSIDE}


def test_log_probs_are_those_of_the_bin_centres() -> None:
    model = Gaussian()
    pixels = torch.from_numpy(OUTSIDE.images).permute(0, 3, 1, 2).double()
    with torch.no_grad():
        expected = model.double().log_prob((pixels + 0.5) / 256 - 0.5)
    found = log_probs(Gaussian(), OUTSIDE, batch_size=7, device=CPU)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_bits_per_dim_of_every_set_are_means() -> None:
    found = Evaluation(SETS)(Gaussian(), CPU)
    bits = ["bits_per_dim/others", "bits_per_dim/test", "bits_per_dim/train"]
    assert sorted(found) == ["auroc_raw/others", *bits]
    mean = log_probs(Gaussian(), INSIDE, 30, CPU).mean()
    assert found["bits_per_dim/test"] == pytest.approx(8 - mean / (16 * math.log(2)))


def test_bits_per_dim_of_colour_images_count_all_channels() -> None:
    colour, model = make_images(9, channels=3), Gaussian((3, 4, 4))
    mean = log_probs(model, colour, 9, CPU).mean()
    found = Evaluation({"test": colour})(model, CPU)["bits_per_dim/test"]
    assert found == pytest.approx(8 - mean / (48 * math.log(2)))


def test_models_are_in_evaluation_mode_and_as_before_afterwards() -> None:
    model, general = Watching(), Watching()
    general.frozen.eval()
    Evaluation(SETS, general)(model, CPU)
    assert model.seen == general.seen == {(False, False)}
    assert (model.training, model.frozen.training) == (True, True)
    assert (general.training, general.frozen.training) == (True, False)


class Watching(Gaussian):
    """Remembers in which mode it and a part of it were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = torch.nn.Identity()
        self.seen: set[tuple[bool, bool]] = set()

    def log_prob(self, x: Tensor) -> Tensor:
        self.seen.add((self.training, self.frozen.training))
        return super().log_prob(x)


def test_only_the_first_images_are_used() -> None:
    found = Evaluation({"test": INSIDE}, limit=4)(Gaussian(), CPU)
    assert found == Evaluation({"test": INSIDE.limited(4)})(Gaussian(), CPU)
    assert found != Evaluation({"test": INSIDE})(Gaussian(), CPU)


def test_auroc_is_the_share_of_pairs_with_the_lower_ratio_outside() -> None:
    model, general = Gaussian(), Gaussian()
    torch.nn.init.constant_(model.loc, -0.2)
    found = Evaluation(SETS, general)(model, CPU)
    ratios = [ratio(model, general, images) for images in (INSIDE, OUTSIDE)]
    assert found["auroc/others"] == pytest.approx(share_of_pairs(*ratios))
    assert [name for name in found if name.startswith("auroc")] == ["auroc_raw/others", "auroc/others"]
    assert 0.5 < found["auroc/others"] < 1


def test_raw_auroc_is_the_share_of_pairs_with_the_lower_likelihood_outside() -> None:
    model = Gaussian()
    torch.nn.init.constant_(model.loc, -0.2)
    raw = Evaluation(SETS)(model, CPU)["auroc_raw/others"]
    assert raw == pytest.approx(share_of_pairs(*(log_probs(model, s, 50, CPU) for s in (INSIDE, OUTSIDE))))
    assert raw == Evaluation(SETS, Gaussian())(model, CPU)["auroc_raw/others"], "whatever the general model"
    assert raw != Evaluation(SETS, Gaussian())(model, CPU)["auroc/others"]


def share_of_pairs(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    pairs = np.sign(inside[None, :] - outside[:, None])  # a tie counts half
    return float(np.mean((pairs + 1) / 2))


def ratio(model: Gaussian, general: Gaussian, images: ImageSet) -> NDArray[np.float64]:
    specific, other = (log_probs(each, images, 50, CPU) for each in (model, general))
    return specific - other


def test_without_test_images_there_is_nothing_to_compare_with() -> None:
    found = Evaluation({"others": OUTSIDE}, Gaussian())(Gaussian(), CPU)
    assert list(found) == ["bits_per_dim/others"]


def test_ratios_that_are_not_finite_have_no_auroc() -> None:
    class Nan(Gaussian):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x) * torch.nan

    found = Evaluation(SETS, Gaussian())(Nan(), CPU)
    assert math.isnan(found["bits_per_dim/test"])
    assert not any(name.startswith("auroc") for name in found)


@pytest.mark.parametrize(("limit", "batch_size"), [(0, 100), (10, 0)])
def test_sizes_below_one_are_refused_before_training(limit: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="a limit and a batch size of at least 1"):
        Evaluation(SETS, limit=limit, batch_size=batch_size)


def test_accuracy_is_the_share_of_labels_with_the_highest_likelihood() -> None:
    class_log_probs = np.array([[-3.0, -1.0], [-3.0, -1.0], [np.nan, -1.0], [0.0, -np.inf]])
    assert accuracy(class_log_probs, np.array([1, 0, 1, 0])) == 1 / 4


def test_a_model_with_classes_has_an_accuracy_on_its_own_labelled_sets() -> None:
    model = GaussianMixture(3)
    sets = {
        "train": make_images(seed=3, labels=3),
        "test": make_images(seed=5),
        "others": make_images(seed=6, labels=3),
    }
    found = Evaluation(sets)(model, CPU)
    assert [name for name in found if name.startswith("accuracy")] == ["accuracy/train"]
    pixels = torch.from_numpy(sets["train"].images).float().flatten(1).mean(dim=1) / 256 - 0.5
    nearest = (pixels[:, None] - model.loc).abs().argmin(dim=1)
    assert found["accuracy/train"] == np.mean(nearest.numpy() == sets["train"].labels)
    values = log_probs(model, sets["train"], 100, CPU)
    assert found["bits_per_dim/train"] == pytest.approx(8 - values.mean() / (16 * math.log(2)), rel=1e-6)
