"""The command that measures realised false-positive rates, and the intervals it compares them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from anomaly_methods.calibration import conformal_p_values
from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import Source
from anomaly_methods.statistics import Statistics
from benchmarks import false_positive_rates
from benchmarks.rate_intervals import TOGETHER, Realised, realised_rates
from tests.anomaly_methods.gradient_examples import all_sources
from tests.commands.calls import Call, Hierarchy, train_hierarchy

METHODS = ("typicality", "likelihood_ratio", "gradients_L2_norms_gaussian")


@pytest.mark.parametrize(("tested", "calibrated", "rate"), [(300, 99, 0.05), (100, 400, 0.1), (50, 39, 0.11)])
def test_the_interval_with_calibration_is_where_shares_lie(tested: int, calibrated: int, rate: float) -> None:
    """Of 4000 draws of both sets, a share of 0.99 lies inside, and the binomial interval is too narrow."""
    generator = np.random.default_rng(0)
    draws = [
        conformal_p_values(generator.normal(size=calibrated), generator.normal(size=tested)) <= rate
        for _ in range(4000)
    ]
    shares, one = np.mean(draws, axis=1), Realised("m", rate, 0, tested, calibrated)
    low, high = one.with_calibration
    assert np.mean((low <= shares) & (shares <= high)) > 0.99 - 3 * np.sqrt(0.01 * 0.99 / 4000)
    (low, high), expected = one.binomial, one.expected_outside
    outside = np.mean((shares < low) | (shares > high))
    assert outside == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4000))


def test_the_binomial_interval_is_that_of_counts() -> None:
    found = Realised("m", 0.05, 20, 400, 800)
    low, high = found.binomial
    assert (low * 400, high * 400) == binom.interval(0.99, 400, 0.05)
    assert found.share == 0.05


def test_thirds_are_kept_apart_and_every_method_has_its_rows() -> None:
    methods = [get_method(name) for name in METHODS]
    found = list(realised_rates(methods, all_sources("in", 900), [0.05, 0.1]))
    assert [(one.method, one.rate) for one in found] == [
        (name, rate) for rate in (0.05, 0.1) for name in (*METHODS, TOGETHER)
    ]
    assert {(one.tested, one.calibrated) for one in found} == {(300, 300)}
    assert all(one.with_calibration[0] <= one.share <= one.with_calibration[1] for one in found)
    alone = list(realised_rates(methods[:1], all_sources("in", 900), [0.05, 0.1]))
    assert alone == [one for one in found if one.method == METHODS[0]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    return train_hierarchy(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def measure(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what runs the command."""
    return Call(capsys, false_positive_rates.main)


def test_the_command_prints_what_it_measured(runs: Hierarchy, measure: Call) -> None:
    sets = ("--run", runs.specific, "--in-distribution", runs.inside)
    names = ("raw_likelihood", "likelihood_ratio", "typicality")
    outcome = measure(*sets, "--rates", "0.1", "0.2", "--method", *names, "--splits", "3")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    rows = [line.split("|")[1:-1] for line in lines if line.startswith("| `")]
    assert [row[0].strip(" `") for row in rows] == [*names, TOGETHER] * 2
    images = {
        Source(role, "likelihood"): Statistics.load(next((run / "statistics").glob("*inside*")))
        for role, run in (("specific", runs.specific), ("general", runs.specific / "general"))
    }
    methods = [get_method(name) for name in names]
    splits = [list(realised_rates(methods, images, [0.1, 0.2], seed=seed)) for seed in range(3)]
    for row, found in zip(rows, zip(*splits, strict=True), strict=True):
        assert (row[0].strip(" `"), float(row[1])) == (found[0].method, found[0].rate)
        assert float(row[2]) == pytest.approx(np.mean([one.share for one in found]), abs=5e-5)
        (low, high), (least, most) = found[0].binomial, found[0].with_calibration
        assert row[4].strip() == f"{sum(low <= one.share <= high for one in found)} of 3"
        assert row[6].strip() == f"{sum(least <= one.share <= most for one in found)} of 3"
    assert lines[-1].startswith("17 tested, 17 to calibrate, 3 random splits. Of 24 shares")


def test_a_method_on_gradients_of_groups_is_measured(runs: Hierarchy, measure: Call) -> None:
    gaussian = ("--method", "gradients_L2_norms_gaussian", "--rates", "0.3")
    outcome = measure("--run", runs.specific, "--in-distribution", runs.wide, *gaussian)
    assert outcome.code == 2  # 24 images: 8 of them calibrate, 8 fit
    assert "gradients_L2_norms_gaussian" in outcome.err.splitlines()[-1]
    pairs = ("--limit", "50", "--group-size", "2", "--test-share", "0.1")
    outcome = measure("--run", runs.general, "--in-distribution", runs.inside, *gaussian, *pairs)
    assert outcome.code == 0
    assert "2 tested, 12 to calibrate" in outcome.out
    assert "| `gradients_L2_norms_gaussian`" in outcome.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rates", "0.01", "--method", "typicality"), "A false-positive rate of 0.01 needs at least 99"),
        (("--rates", "1.5"), "must be in (0, 1], got 1.5"),
        (("--splits", "0"), "--splits must be at least 1"),
        (("--test-share", "1"), "--test-share between 0 and 1, got 10 and 1"),
        (("--method", "nonsense"), "There is no method 'nonsense'"),
        (("--in-distribution", "cifar11"), "There is no image set called 'cifar11'"),
    ],
)
def test_bad_input_is_one_sentence(
    runs: Hierarchy, measure: Call, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    outcome = measure("--run", runs.specific, "--in-distribution", runs.inside, *options)
    assert outcome.code == 2
    assert said in outcome.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
