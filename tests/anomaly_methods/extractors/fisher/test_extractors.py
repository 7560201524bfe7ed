"""The Fisher extractors: statistics with the provenance of F, and what they refuse."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.fisher.extractors import FisherDiagonalExtractor, FisherKroneckerExtractor
from anomaly_methods.extractors.fisher.images import ChosenImages
from anomaly_methods.extractors.gradient_norms import reference_gradients
from anomaly_methods.extractors.run import Extraction, extract, load_or_extract
from anomaly_methods.statistics import Statistics
from invglow.flows import GlowConfig
from models.glow import Glow
from tests.anomaly_methods.extractors.fisher.examples import GaussianMean, estimated
from tests.anomaly_methods.extractors.gradient_models import NetModel, images, randomized
from tests.anomaly_methods.extractors.toys import make_images


def small_glow() -> Glow:
    """Return a Glow for images of 4 x 4 grey pixels, one of whose weights is too large to be kept whole."""
    torch.manual_seed(0)
    model = Glow.from_config(GlowConfig((1, 4, 4), 1, 1, 29))
    randomized(model)
    return model


def extraction_of(model: Glow, extractor: Extractor) -> Extraction:
    return Extraction(model, make_images(7), extractor, "m", "a" * 64)


def test_file_of_a_glow(tmp_path: Path) -> None:
    model = small_glow()
    fisher = estimated(model, ChosenImages(make_images(12, seed=1), 9, seed=2), "kronecker", tmp_path)
    extractor = FisherKroneckerExtractor(fisher, 2, damping=0.1)
    statistics = extract(extraction_of(model, extractor), tmp_path / "s.npz", batch_size=4)
    loaded = Statistics.load(tmp_path / "s.npz")
    assert list(loaded.values) == [name for name, _ in model.named_parameters()]
    assert (loaded.meta.kind, loaded.meta.group_size, loaded.meta.dropped) == ("fisher_kronecker", 2, 1)
    assert loaded.meta.settings == {
        "damping": 0.1,
        "fisher": {
            "structure": "kronecker",
            "source": "data",
            "dataset": "cats",
            "images": 9,
            "seed": 0,
            "sha256": fisher.sha256,
        },
    }
    assert loaded.meta.details["flow.scales.0.steps.0.coupling.network.conv_mid.weight"] == {
        "numel": 841,
        "shape": [29, 29, 1, 1],
        "module": "Conv2d",
        "block": "29 x 29",
        "fisher_images": 9,
    }
    x = (make_images(7).batch(range(6)).float() + 0.5) / 256 - 0.5
    forms = fisher.forms(0.1)
    for name, gradients in reference_gradients(model, x, 2).items():
        np.testing.assert_allclose(statistics.value(name), forms[name](gradients).numpy(), rtol=1e-3)


def test_single_precision_is_exact_enough(tmp_path: Path) -> None:
    model = small_glow()
    x = (make_images(6).batch(range(6)).double() + 0.5) / 256 - 0.5
    fisher = estimated(model, ChosenImages(make_images(40, seed=1), 40), "kronecker", tmp_path)
    single = FisherKroneckerExtractor(fisher)(model, x.float())
    double = FisherKroneckerExtractor(fisher)(model.double(), x)
    for name, values in double.items():
        np.testing.assert_allclose(single[name], values, rtol=2e-3)


def test_another_damping_or_fisher_information_makes_other_statistics(tmp_path: Path) -> None:
    model, path = small_glow(), tmp_path / "s.npz"
    one, other = (
        estimated(model, ChosenImages(make_images(12, seed=1), 9, seed=s), "diagonal", tmp_path / str(s))
        for s in (0, 1)
    )
    load_or_extract(extraction_of(model, FisherDiagonalExtractor(one)), path)
    for extractor in (FisherDiagonalExtractor(one, damping=0.5), FisherDiagonalExtractor(other)):
        with pytest.raises(ValueError, match="other statistics than asked for: settings is"):
            load_or_extract(extraction_of(model, extractor), path)
    load_or_extract(extraction_of(model, FisherDiagonalExtractor(one)), path)


def test_values_of_images_like_those_of_f_sum_to_its_effective_size(tmp_path: Path) -> None:
    model, image_set = small_glow(), make_images(12)
    x = (image_set.batch(range(12)).float() + 0.5) / 256 - 0.5
    fisher = estimated(model, x, "kronecker", tmp_path)
    found = FisherKroneckerExtractor(fisher, damping=0.1)(model, x)
    name = "flow.scales.0.steps.0.actnorm.loc"
    values = torch.linalg.eigvalsh(fisher.moments[name][0].double())
    expected = (values / (values + fisher.damping(0.1)[name])).sum()
    assert float(found[name].mean()) == pytest.approx(float(expected), rel=1e-3)
    assert float(expected) < math.prod(values.shape)


def test_rows_that_are_not_images_are_noticed_and_computed_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Turned(nn.Module):
        """Puts channels first, as many as there are images, so that no rule can see the difference."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = self.linear(x.transpose(0, 1)).transpose(0, 1)
            return output

    class TurnedModel(NetModel):  # a name of its own, since each warning comes once
        pass

    model, x = TurnedModel(Turned(), (4, 6, 6)).double(), images(4, (4, 6, 6))
    fisher = estimated(model, x, "kronecker", tmp_path)
    assert "TurnedModel (net.linear.weight, ...) are computed apart" in caplog.text
    gradients = reference_gradients(model, x)["net.linear.weight"].flatten(1)
    torch.testing.assert_close(fisher.moments["net.linear.weight"][0], gradients.T @ gradients / 4)
    extractor = FisherKroneckerExtractor(fisher)
    extractor(model, x[:3])  # not as many as channels, so that nothing is wrong yet
    found = extractor(model, x)["net.linear.weight"]
    torch.testing.assert_close(found, fisher.forms(0.01)["net.linear.weight"](gradients))


def test_the_structure_and_the_model_must_fit(tmp_path: Path) -> None:
    fisher = estimated(GaussianMean(), images(9, (1, 2, 3)), "diagonal", tmp_path)
    with pytest.raises(ValueError, match=r"FisherKroneckerExtractor needs .*'kronecker', got 'diagonal'"):
        FisherKroneckerExtractor(fisher)
    with pytest.raises(ValueError, match=r"'mean' has shape \(1, 2, 3\) there and \(1, 2, 2\) here"):
        FisherDiagonalExtractor(fisher)(GaussianMean((1, 2, 2)), images(2, (1, 2, 2)))
    with pytest.raises(ValueError, match=r"'linear\.weight' has shape none there"):
        FisherDiagonalExtractor(fisher)(Other((1, 2, 3)), images(2, (1, 2, 3)))


class Other(GaussianMean):
    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.linear = nn.Linear(1, 1, bias=False)


def test_a_group_is_not_the_sum_of_its_images(tmp_path: Path) -> None:
    model, x = GaussianMean(), images(4, (1, 2, 3))
    fisher = estimated(model, x, "diagonal", tmp_path)
    alone, together = (FisherDiagonalExtractor(fisher, size)(model, x)["mean"] for size in (1, 4))
    assert together.shape == (1,)
    assert float(together) != pytest.approx(float(alone.sum()), rel=0.05)
