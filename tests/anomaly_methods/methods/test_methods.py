"""Each method against its formula worked out by hand, and the direction of its score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import paired
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics

SPECIFIC = {"log_prob": [-10.0, -20.0], "log_prob.scale0": [-7.0, -4.0], "log_prob.scale1": [-3.0, -16.0]}
GENERAL = {"log_prob": [-12.0, -15.0], "log_prob.scale0": [-7.0, -9.0], "log_prob.scale1": [-5.0, -6.0]}


def pair() -> Statistics:
    return paired(make_statistics(SPECIFIC), make_statistics(GENERAL, checkpoint_sha256="b" * 64))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw_likelihood", [10.0, 20.0]),
        ("last_scale", [3.0, 16.0]),
        ("likelihood_ratio", [-2.0, 5.0]),
        ("last_scale_ratio", [-2.0, 10.0]),
        ("typicality", [5.0, 5.0]),
    ],
)
def test_formula(name: str, expected: list[float]) -> None:
    method = get_method(name)
    statistics = pair() if len(method.sources) > 1 else make_statistics(SPECIFIC)
    np.testing.assert_allclose(method.fit(statistics).score(statistics), expected)


def test_last_scale_is_the_one_with_the_highest_number_beyond_ten() -> None:
    names = [f"log_prob.scale{s}" for s in range(12)]
    statistics = make_statistics({name: [float(s)] for s, name in enumerate(names)})
    assert list(get_method("last_scale").fit(statistics).score(statistics)) == [-11.0]


def test_typicality_is_the_distance_from_the_mean_of_a_skewed_reference() -> None:
    scorer = get_method("typicality").fit(make_statistics([-10.0, -11.0, -30.0]))  # of mean -17, median -11
    np.testing.assert_allclose(scorer.score(make_statistics([-17.0, -11.0, -20.0])), [0.0, 6.0, 3.0])


def test_typicality_of_a_group_is_that_of_the_mean_of_its_images() -> None:
    reference = make_statistics([-10.0, -30.0], group_size=5)  # -4 nats per image
    scorer = get_method("typicality").fit(reference)
    scores = scorer.score(make_statistics([-20.0, -5.0, -40.0], group_size=5, dataset="dogs"))
    np.testing.assert_allclose(scores, [0.0, 3.0, 4.0])


def test_typicality_finds_both_sides_where_the_likelihood_finds_one() -> None:
    """In 50 dimensions, -log N(x) of N(0, s^2 I) images is s^2 chi^2 / 2 and so: AUROC near 0 for s < 1."""
    generator, dimensions = np.random.default_rng(0), 50
    reference, inside = (-generator.chisquare(dimensions, 4000) / 2 for _ in range(2))
    smooth = -0.4 * generator.chisquare(dimensions, 4000) / 2
    raw, typical = (
        get_method(name).fit(make_statistics(reference)) for name in ("raw_likelihood", "typicality")
    )
    pairs = [(s.score(make_statistics(inside)), s.score(make_statistics(smooth))) for s in (raw, typical)]
    assert auroc(*pairs[0]) < 0.01
    assert auroc(*pairs[1]) > 0.99


def test_ratio_of_two_gaussians_has_its_closed_form_area() -> None:
    """The ratio of N(0, 1) and N(d, 1) is linear in x: the area for images of both is Phi(d / sqrt 2)."""
    generator, distance = np.random.default_rng(1), 1.2
    sets = [generator.normal(mean, size=20_000) for mean in (0.0, distance)]
    joined = [
        paired(
            make_statistics(-(x**2) / 2),
            make_statistics(-((x - distance) ** 2) / 2, checkpoint_sha256="b" * 64),
        )
        for x in sets
    ]
    scorer = get_method("likelihood_ratio").fit(joined[0])
    area = auroc(scorer.score(joined[0]), scorer.score(joined[1]))
    assert area == pytest.approx(ndtr(distance / np.sqrt(2)), abs=0.007)


def test_nonfinite_values_stay_visible_in_the_scores() -> None:
    values = [np.nan, np.inf, -1.0]
    both = paired(make_statistics(values), make_statistics(values, checkpoint_sha256="b" * 64))
    scores = get_method("likelihood_ratio").fit(both).score(both)
    assert list(np.isfinite(scores)) == [False, False, True]


def test_typicality_refuses_to_fit_on_nonfinite_or_no_values() -> None:
    with pytest.raises(ValueError, match="2 of 3 are NaN or infinite"):
        get_method("typicality").fit(make_statistics([np.nan, 1.0, np.inf]))
    with pytest.raises(ValueError, match="0 of 0"):
        get_method("typicality").fit(make_statistics([]))


def test_models_with_unlike_numbers_of_scales_are_refused() -> None:
    general = make_statistics({**GENERAL, "log_prob.scale2": [0.0, 0.0]}, checkpoint_sha256="b" * 64)
    both = paired(make_statistics(SPECIFIC), general)
    with pytest.raises(ValueError, match=r"as many scales, .*scale1' and .*scale2'"):
        get_method("last_scale_ratio").fit(both).score(both)


@pytest.mark.parametrize("name", ["last_scale", "last_scale_ratio"])
def test_models_without_scales_are_refused(name: str) -> None:
    one, other = make_statistics([1.0]), make_statistics([1.0], checkpoint_sha256="b" * 64)
    statistics = paired(one, other) if name == "last_scale_ratio" else one
    with pytest.raises(ValueError, match=rf"^Method {name} needs .* multi-scale .*log_prob\.scale0"):
        get_method(name).fit(statistics)


def test_every_method_has_a_name_and_one_line() -> None:
    for name, method in METHODS.items():
        assert name == method.name
        assert 10 < len(method.summary) < 80
        assert "\n" not in method.summary
