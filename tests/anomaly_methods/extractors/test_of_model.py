"""Statistics of a model in memory: the model's own numbers, and an identity that follows its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from anomaly_methods.extractors.likelihood import LikelihoodExtractor
from anomaly_methods.extractors.of_model import state_sha256, statistics_of
from anomaly_methods.methods.registry import get_method
from anomaly_methods.statistics import Statistics
from invglow.data.preprocessing import dequantize
from tests.anomaly_methods.extractors.toys import Gaussian, GaussianScales, make_images


def test_values_are_those_of_the_model() -> None:
    model, images = Gaussian(), make_images(7)
    found = statistics_of(model, images, batch_size=3)
    expected = model.log_prob(dequantize(images.batch(range(7)))).detach().numpy()
    np.testing.assert_allclose(found.value("log_prob"), expected, rtol=1e-6)
    assert (found.meta.model, found.meta.dataset, found.meta.bound) == ("Gaussian", "cats", "exact")


def test_an_extractor_and_a_name_can_be_chosen() -> None:
    found = statistics_of(GaussianScales(), make_images(7), LikelihoodExtractor(2), name="mine")
    assert len(found) == 3
    assert (found.meta.model, found.meta.group_size, found.meta.dropped) == ("mine", 2, 1)


def test_statistics_of_other_weights_are_not_compared() -> None:
    model, images = Gaussian(), make_images(7)
    scorer = get_method("raw_likelihood").fit(statistics_of(model, images))
    assert scorer.score(statistics_of(model, make_images(5))).shape == (5,)
    with torch.no_grad():
        model.precision.add_(1)
    with pytest.raises(ValueError, match="checkpoint_sha256"):
        scorer.score(statistics_of(model, images))


def test_a_file_is_read_while_the_weights_are_the_same(tmp_path: Path) -> None:
    model, images, path = Gaussian(), make_images(7), tmp_path / "kept.npz"
    first = statistics_of(model, images, path=path)
    seen = model.images_seen
    assert statistics_of(model, images, path=path).meta == first.meta == Statistics.load(path).meta
    assert model.images_seen == seen
    with torch.no_grad():
        model.precision.add_(1)
    with pytest.raises(ValueError, match="holds other statistics than asked for"):
        statistics_of(model, images, path=path)


def test_nothing_is_left_behind_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    statistics_of(Gaussian(), make_images(7))
    assert list(tmp_path.iterdir()) == []


def test_the_checksum_sees_names_types_shapes_values_and_buffers() -> None:
    def model(**tensors: torch.Tensor) -> nn.Module:
        module = nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return module

    numbers = torch.arange(6.0)
    models = (
        model(a=numbers),
        model(b=numbers),
        model(a=numbers + 1),
        model(a=numbers.double()),
        model(a=numbers.reshape(2, 3)),
        model(a=numbers, b=torch.tensor(3)),
        model(a=numbers.to(torch.bfloat16)),
    )
    assert len({state_sha256(one) for one in models}) == len(models)
    assert state_sha256(model(a=numbers.reshape(3, 2).T)) == state_sha256(
        model(a=numbers.reshape(3, 2).T.contiguous())
    )


def test_paths_may_be_texts_and_images_must_be_a_set(tmp_path: Path) -> None:
    images = make_images(7)
    found = statistics_of(Gaussian(), images, path=str(tmp_path / "kept.npz"))
    assert Statistics.load(str(tmp_path / "kept.npz")).meta == found.meta
    with pytest.raises(ValueError, match=r"must be an ImageSet, .* but are a ndarray"):
        statistics_of(Gaussian(), images.images)  # type: ignore[arg-type]
