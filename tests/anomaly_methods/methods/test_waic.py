"""Ensembles: the formula by hand, and which runs make an ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import ENSEMBLE_LIKELIHOODS, ensemble, likelihoods
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics


def member(number: int, values: list[float], **changes: Any) -> Statistics:
    fields = {"checkpoint_sha256": str(number) * 64, "model": f"runs/{number}", **changes}
    return make_statistics(values, **fields)


def test_it_is_the_variance_less_the_mean_over_the_models() -> None:
    both = ensemble([member(1, [-10.0, 2.0]), member(2, [-14.0, 2.0]), member(3, [-12.0, 5.0])])
    scores = get_method("waic").fit(both).score(both)
    np.testing.assert_allclose(scores, [4.0 + 12.0, 3.0 - 3.0])


def test_the_names_of_all_models_and_what_each_says_stay_apart() -> None:
    both = ensemble([member(1, [-10.0]), member(2, [-14.0], bound="elbo")])
    assert list(both.values) == ["model1/log_prob", "model2/log_prob"]
    assert (both.meta.model, both.meta.bounds) == ("runs/1 + runs/2", "elbo/exact")


def test_what_models_disagree_on_is_an_anomaly() -> None:
    """Two Gaussians with means -1 and 1 agree near 0: var of log p is 2 x^2, so far points score higher."""
    generator = np.random.default_rng(0)
    inside, outside = (
        ensemble([member(1, list(-((x + 1) ** 2) / 2)), member(2, list(-((x - 1) ** 2) / 2))])
        for x in (generator.normal(0, 0.5, 500), generator.normal(4, 0.5, 500))
    )
    scorer = get_method("waic").fit(inside)
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.999


def test_one_model_is_no_ensemble() -> None:
    one = member(1, [1.0])
    with pytest.raises(ValueError, match="at least 2 models, got 1"):
        ensemble([one])
    with pytest.raises(ValueError, match=r"'runs/1' and 'runs/1' have the same weights \(checkpoint 1111"):
        ensemble([one, one])
    with pytest.raises(ValueError, match=r"'runs/2' and 'copy' have the same weights"):
        ensemble([one, member(2, [1.0]), member(2, [1.0], model="copy")])
    with pytest.raises(ValueError, match=r"ensemble of at least two models, but those of 'runs/1' hold no"):
        get_method("waic").fit(one)
    assert get_method("waic").unmet(likelihoods(one)) is not None
    assert get_method("waic").unmet({ENSEMBLE_LIKELIHOODS: ensemble([one, member(2, [1.0])])}) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset_sha256": "2" * 64, "dataset": "dogs"}, "must be of the same images"),
        ({"noise_draws": 3}, "noise_draws is 0 and 3"),
    ],
)
def test_members_must_be_of_the_same_images_and_making(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ensemble([member(1, [1.0]), member(2, [1.0], **changes)])
