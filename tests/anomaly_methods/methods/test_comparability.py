"""Statistics that do not belong together are refused, with both values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomaly_methods.evaluation import evaluate
from anomaly_methods.methods.registry import METHODS, get_method, usable_methods
from anomaly_methods.methods.sources import (
    GENERAL_LIKELIHOOD,
    SPECIFIC_GRADIENTS,
    SPECIFIC_LIKELIHOOD,
    Source,
    assemble,
    joined,
    likelihoods,
    paired,
)
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import all_sources

OTHER = "b" * 64


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint_sha256", OTHER),
        ("group_size", 5),
        ("kind", "gradients"),
        ("extractor_version", 2),
        ("image_shape", (1, 8, 8)),
        ("noise_draws", 4),
        ("settings", {"damping": 0.1}),
    ],
)
@pytest.mark.parametrize("name", ["raw_likelihood", "typicality"])
def test_scoring_statistics_of_another_making_is_refused(name: str, field: str, value: Any) -> None:
    scorer = get_method(name).fit(make_statistics([1.0, 2.0]))
    other = make_statistics([1.0], **{field: value})
    with pytest.raises(ValueError, match=field) as caught:
        scorer.score(other)
    assert repr(value) in str(caught.value)
    assert repr(getattr(scorer.reference, field)) in str(caught.value)


def test_scoring_another_image_set_is_what_it_is_for() -> None:
    scorer = get_method("raw_likelihood").fit(make_statistics([1.0]))
    assert list(scorer.score(make_statistics([2.0], dataset="dogs", dataset_sha256="2", seed=3))) == [-2.0]


def test_a_pair_with_another_general_model_is_refused() -> None:
    specific = make_statistics([1.0])
    scorer = get_method("likelihood_ratio").fit(
        paired(specific, make_statistics([1.0], checkpoint_sha256=OTHER))
    )
    other = paired(specific, make_statistics([1.0], checkpoint_sha256="c" * 64))
    with pytest.raises(ValueError, match=f"{'c' * 64}.* was '{OTHER}'"):
        scorer.score(other)


def test_pair_prefixes_names_and_keeps_both_metas(tmp_path: Any) -> None:
    general = make_statistics([3.0, 4.0], checkpoint_sha256=OTHER, bound="elbo", model="runs/general")
    both = paired(make_statistics([1.0, 2.0]), general)
    both.save(tmp_path / "both.npz")
    loaded = Statistics.load(tmp_path / "both.npz")
    assert list(loaded.values) == ["specific/log_prob", "general/log_prob"]
    assert loaded.meta.sources["general"] == general.meta
    assert (loaded.meta.model, loaded.meta.bounds) == ("runs/specific", "elbo/exact")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset_sha256": "2" * 64, "dataset": "dogs"}, "'cats' and 'dogs'.*dataset_sha256 is 111"),
        ({"split": "train"}, "split is test and train"),
        ({"group_size": 2}, "group_size is 1 and 2"),
        ({"noise_draws": 3}, "noise_draws is 0 and 3"),
        ({"seed": 3}, "seed is 0 and 3"),
        ({"checkpoint_sha256": "a" * 64}, "same model"),
    ],
)
def test_a_pair_must_be_of_the_same_images_under_two_models(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paired(make_statistics([1.0]), make_statistics([1.0], **{"checkpoint_sha256": OTHER, **changes}))


def test_a_pair_must_have_the_same_rows() -> None:
    specific = make_statistics([1.0, 2.0, 3.0])
    general = make_statistics([1.0, 2.0, 3.0], checkpoint_sha256=OTHER)
    with pytest.raises(ValueError, match=r"index differs \(3 and 2 rows\)"):
        paired(specific, general.select([0, 1]))
    with pytest.raises(ValueError, match=r"index differs \(3 and 3 rows\)"):
        paired(specific, general.select([0, 2, 1]))


def test_several_kinds_of_one_model_can_be_joined() -> None:
    gradients = make_statistics({"conv.weight": [5.0]}, kind="gradients", extractor_version=3)
    both = joined({"specific": make_statistics([1.0]), "gradients": gradients})
    assert list(both.values) == ["specific/log_prob", "gradients/conv.weight"]


def test_scoring_plain_statistics_after_a_pair_is_refused() -> None:
    one = make_statistics([1.0])
    scorer = get_method("likelihood_ratio").fit(paired(one, make_statistics([1.0], checkpoint_sha256=OTHER)))
    with pytest.raises(ValueError, match=r"they join nothing and those joined \['general', 'specific'\]"):
        scorer.score(one)


def test_usable_methods_depend_on_what_is_there() -> None:
    flow = make_statistics({"log_prob": [1.0], "log_prob.scale0": [1.0]})
    vae = make_statistics([1.0], checkpoint_sha256=OTHER)

    def usable(specific: Statistics, general: Statistics | None = None) -> list[str]:
        return [method.name for method in usable_methods(likelihoods(specific, general))]

    assert usable(vae) == ["raw_likelihood", "typicality"]
    assert usable(flow) == ["raw_likelihood", "last_scale", "typicality"]
    assert usable(flow, vae) == ["raw_likelihood", "likelihood_ratio", "last_scale", "typicality"]


def test_usable_methods_grow_with_the_gradients() -> None:
    everything = all_sources("cats", 5)
    gradients = {SPECIFIC_GRADIENTS: everything[SPECIFIC_GRADIENTS]}
    of_one_model = [name for name in METHODS if name.startswith("gradients_") and "ratio" not in name]
    assert [method.name for method in usable_methods(gradients)] == of_one_model
    one_model = {SPECIFIC_LIKELIHOOD: everything[SPECIFIC_LIKELIHOOD], **gradients}
    assert "fisher_typicality" in [method.name for method in usable_methods(one_model)]
    assert [method.name for method in usable_methods(everything)] == list(METHODS)


def test_likelihoods_and_gradients_of_one_role_must_be_of_one_model() -> None:
    mixed = {
        SPECIFIC_LIKELIHOOD: make_statistics([1.0]),
        SPECIFIC_GRADIENTS: make_statistics({"a": [1.0]}, kind="gradients", checkpoint_sha256=OTHER),
    }
    with pytest.raises(ValueError, match=r"of the specific model must be of one model, .*aaa.* and bbb"):
        get_method("fisher_typicality").unmet(mixed)


def test_likelihoods_and_gradients_of_one_role_must_be_of_one_evaluation() -> None:
    mixed = {
        SPECIFIC_LIKELIHOOD: make_statistics([1.0], settings={"evaluation": {"timestep": 3}}),
        SPECIFIC_GRADIENTS: make_statistics({"a": [1.0]}, kind="gradients"),
    }
    with pytest.raises(ValueError, match=r"must be of one evaluation of it, but the settings are .* its own"):
        get_method("fisher_typicality").unmet(mixed)


def test_missing_sources_are_named() -> None:
    available = likelihoods(make_statistics([1.0]))
    said = get_method("likelihood_ratio").unmet(available)
    assert said == "Method likelihood_ratio needs likelihood statistics of the general model, but got none."
    with pytest.raises(ValueError, match="likelihood statistics of the general model"):
        assemble({"general": GENERAL_LIKELIHOOD}, available)
    with pytest.raises(ValueError, match="gradients statistics of the specific model"):
        assemble({"g": Source("specific", "gradients")}, available)


def test_unknown_methods_name_the_close_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'likelihod_ratio': did you mean likelihood_ratio") as caught:
        get_method("likelihod_ratio")
    assert all(name in str(caught.value) for name in METHODS)
    with pytest.raises(ValueError, match=r"'xyz': Known are raw_likelihood"):
        get_method("xyz")


@pytest.mark.parametrize("alias", ["likelihoods", "raw_likelihoods"])
def test_the_second_papers_names_are_known(alias: str) -> None:
    assert get_method(alias) is get_method("raw_likelihood")
    assert alias not in METHODS  # a table shows each method once


def test_score_does_not_change_the_statistics() -> None:
    statistics = make_statistics([1.0, 2.0])
    scores = get_method("raw_likelihood").fit(statistics).score(statistics)
    scores[0] = 7.0
    np.testing.assert_array_equal(statistics.value("log_prob"), [1.0, 2.0])


def test_testing_on_some_of_what_was_fitted_is_refused() -> None:
    whole = all_sources("in", 60)
    first, second, overlapping = (
        {source: part.select(list(rows)) for source, part in whole.items()}
        for rows in (range(30), range(30, 60), range(29, 60))
    )
    methods, outside = (
        [get_method("typicality"), get_method("gradients_L2_norms_gaussian")],
        all_sources("out", 9),
    )
    assert len(evaluate(methods, second, [outside], in_reference=first, resamples=2)) == 2
    with pytest.raises(ValueError, match=r"1 of 31 rows of 'in' .* are in both"):
        evaluate(methods, overlapping, [outside], in_reference=first)
