"""Scores for figures: those of `anomaly_methods.evaluation`, of statistics that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.evaluation import score_sets
from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS
from anomaly_methods.metrics import auroc
from plots.paper_command import paper_parser, request_of
from plots.scoring import ScoredSets, scored_sets
from tests.plots.examples import gradients, keep, likelihood, make_run


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a run with statistics of two sets."""
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("INVGLOW_FIGURES", str(tmp_path / "figures"))
    folder = make_run(tmp_path / "runs" / "run")
    for name, shift in (("cifar10", 0.0), ("svhn", 0.5)):
        keep(gradients(name, shift=shift), folder)
        keep(likelihood(name, bits=4 - shift), folder)
    return folder


def asked(*words: str) -> list[ScoredSets]:
    arguments = paper_parser("plots.x", None, "x", methods="+").parse_args(["glow", "run", *words])
    return scored_sets(request_of(arguments, "x"))


def test_scores_are_those_of_the_evaluation() -> None:
    methods = ("gradients_L2_norms_gaussian", "likelihoods")
    sets = ("--id_datasets", "cifar10", "--datasets", "svhn", "cifar10")
    one, two = asked(*sets, "--anomaly_detection", *methods)
    inside, outside = (
        {SPECIFIC_GRADIENTS: gradients(n, shift=s)} for n, s in (("cifar10", 0), ("svhn", 0.5))
    )
    expected = score_sets(get_method(methods[0]), inside, [outside], seed=0)
    assert list(one.sets) == ["cifar10", "svhn"]
    for scores, other in zip(one.sets.values(), expected, strict=True):
        np.testing.assert_array_equal(scores, other.scores)
    assert (len(one.sets["cifar10"]), len(two.sets["cifar10"])) == (20, 40)  # only one of them learns
    assert one.aurocs == {"svhn": auroc(expected[0].scores, expected[1].scores)}
    assert (two.method, two.model, two.in_distribution, two.nonfinite) == (
        "raw_likelihood",
        "run",
        "cifar10",
        0,
    )


def test_what_cannot_be_scored_is_refused(run: Path) -> None:
    gaussian = ("--anomaly_detection", "gradients_L2_norms_gaussian")
    with pytest.raises(ValueError, match="cifar10 is all there is of --datasets"):
        asked("--id_datasets", "cifar10", "--datasets", "cifar10", *gaussian)
    with pytest.raises(ValueError, match="There is no method 'gradients'"):
        asked("--id_datasets", "cifar10", "--datasets", "svhn", "--anomaly_detection", "gradients")
    keep(gradients("gtsrb", noise_draws=1), run)
    with pytest.raises(ValueError, match="computed alike, but noise_draws"):
        asked("--id_datasets", "cifar10", "--datasets", "gtsrb", *gaussian)
