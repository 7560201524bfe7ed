"""Names of sets, runs and settings may be as long as paths are: no figure cuts one off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from anomaly_methods.statistics import Statistics
from plots import (
    anomaly_AUROC,
    dataset_validation,
    diffusion_timestep_performance_comparison,
    likelihood_histogram_comparison,
    likelihood_histograms,
    rank_correlation,
    scale_shares,
    statistic_autocorrelation,
    training_curves,
)
from plots.bounds import likelihood_axis
from plots.FIM_approximation import normalised, raw_FIMs, values_histogram
from plots.FIM_approximation.matrix import fisher_matrix
from plots.model_samples import grids
from plots.pictures import Pictures
from plots.scoring import ScoredSets
from plots.summary_statistic_histograms import (
    anomaly_score,
    entropy_differences,
    figure,
    scatter_main,
    with_scatter,
)
from plots.summary_statistic_histograms.features import FeaturePanel
from plots.training_metrics import Curve, TrainingMetrics
from tests.anomaly_methods.examples import make_statistics
from tests.plots.examples import gradients, likelihood
from tests.plots.inside import inches_outside, least_height
from tests.plots.scored import scored

WORDS = "photographs_of_the_second_campaign-cropped_and_resized"
LONG = (WORDS.replace("_", "") + "0123456789") * 2
_HAIR, _LOW = 0.02, 0.3  # inches
TENSORS = ("flow.scales.0.steps.0.actnorm.bias", "up_blocks.0.resnets.0.time_embedding_projection.weight")


class Names:
    """What sets and runs are called in one figure."""

    def __init__(self, name: str) -> None:
        self.sets = [f"{name}{place}" for place in "ABC"] if name else ["cifar10", "svhn", "celeba"]
        self.runs = [f"a/{name}", f"b/{name}"] if name else ["cifar10", "svhn"]

    def likelihoods(self, run: int = 0) -> list[Statistics]:
        meta: dict[str, Any] = {"model": self.runs[run], "checkpoint_sha256": f"{run}"}
        evaluation = "importance_weighted=true samples=64 noise_samples=4"
        return [
            likelihood(name, bits=3 + place, bound="elbo", evaluation=evaluation, **meta)
            for place, name in enumerate(self.sets)
        ]

    def panels(self, names: Sequence[str] = TENSORS, axis: str = "") -> list[FeaturePanel]:
        random, meta = np.random.default_rng(0), self.likelihoods()[0].meta
        return [
            FeaturePanel(run, name, {one: random.normal(size=30) for one in self.sets}, meta, axis)
            for run in self.runs
            for name in names
        ]

    def pairs(self) -> list[tuple[FeaturePanel, FeaturePanel]]:
        panels = self.panels()
        return list(zip(panels[::2], panels[1::2], strict=True))

    def scores(self, methods: Sequence[str]) -> list[ScoredSets]:
        inside, *others = self.sets
        shares = dict.fromkeys(others, 0.7)
        return [scored(run, method, inside, shares) for run in self.runs for method in methods]


def ranks(names: Names) -> Figure:
    by_model = {run: names.likelihoods(place) for place, run in enumerate(names.runs)}
    return rank_correlation.make_figure(rank_correlation.ranking(by_model))


def histograms(names: Names) -> Figure:
    panels = likelihood_histograms.likelihood_panels(names.likelihoods(), names.likelihoods(1))
    return likelihood_histograms.make_figure(panels)


def entropies(names: Names) -> Figure:
    axis = likelihood_axis(names.likelihoods()[0].meta)
    return entropy_differences.make_figure(names.panels(["log p"], axis))


def comparison(names: Names) -> Figure:
    axis = likelihood_axis(names.likelihoods()[0].meta)
    return likelihood_histogram_comparison.make_figure(names.panels([f"trained on {names.sets[0]}"], axis))


def curves(names: Names) -> Figure:
    own, *others = names.sets
    found = {f"auroc/{name}": Curve(np.array([1, 2]), np.array([0.5, 0.7])) for name in others}
    found |= {f"bits_per_dim/{name}": found[f"auroc/{others[0]}"] for name in ("batch", "test", *others)}
    return training_curves.make_figure([TrainingMetrics(run, own, 64, found) for run in names.runs])


def timesteps(names: Names) -> Figure:
    inside, *others = names.sets
    first = diffusion_timestep_performance_comparison.Performance(
        names.runs[0], "gradients_L2_norms_gaussian", inside, others[0], 1, 0.7, 0.6, 0.8, (30, 30), 5, 0
    )
    rows = [replace(first, outside=name, timestep=t) for name in others for t in (1, 16, 256)]
    return diffusion_timestep_performance_comparison.make_figure(rows)


def autocorrelations(names: Names) -> Figure:
    models = [
        [statistic_autocorrelation.autocorrelation(gradients(name), run) for name in names.sets]
        for run in names.runs
    ]
    return statistic_autocorrelation.make_figure(models)


def fisher(make_figure: Callable[..., Figure], names: Names) -> Figure:
    random = np.random.default_rng(0)
    values = {f"{tensor}[{place}]": random.normal(size=30) for tensor in TENSORS for place in range(4)}
    statistics = make_statistics(values, kind="fisher_matrix", model=names.runs[0], bound="elbo")
    return make_figure(fisher_matrix(statistics))


def pictures(names: Names) -> list[Pictures]:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    samples = {"kind": "samples", "temperature": 0.7, "seed": 0}
    abouts: list[dict[str, Any]] = [
        {"name": names.sets[0], "split": "test"},
        {"name": names.runs[0], **samples},
    ]
    return [Pictures(images, about=about) for about in abouts]


FIGURES: dict[str, Callable[[Names], Figure]] = {
    "likelihood_histograms": histograms,
    "rank_correlation": ranks,
    "scale_shares": lambda names: scale_shares.make_figure(scale_shares.shares_of(names.likelihoods())),
    "training_curves": curves,
    "roc": lambda names: anomaly_AUROC.make_figure(names.scores(["typicality"])),
    "roc_of_methods": lambda names: anomaly_AUROC.make_figure(
        names.scores(["gradients_L2_norms_fishers_method", "typicality"])
    ),
    "summary": lambda names: figure.make_figure(names.panels(), figure.Look(fitted=True)),
    "summary_small": lambda names: figure.make_figure(names.panels(TENSORS * 2)),
    "with_scatter": lambda names: with_scatter.make_figure(names.pairs(), fitted=True),
    "scatter": lambda names: scatter_main.make_figure(names.pairs()),
    "anomaly_score": lambda names: anomaly_score.make_figure(names.scores(["typicality"])),
    "entropy_differences": entropies,
    "likelihood_histogram_comparison": comparison,
    "timesteps": timesteps,
    "autocorrelation": autocorrelations,
    "FIM": lambda names: fisher(normalised.make_figure, names),
    "raw_FIMs": lambda names: fisher(raw_FIMs.make_figure, names),
    "values_histogram": lambda names: fisher(values_histogram.make_figure, names),
    "samples": lambda names: grids.make_figure(pictures(names)),
    "dataset_validation": lambda names: dataset_validation.make_figure(pictures(names)),
}


SHORT = ("likelihood_histograms", "training_curves", "roc", "with_scatter", "FIM")


@pytest.mark.parametrize(
    ("which", "name"), [*((which, LONG) for which in FIGURES), *((which, "") for which in SHORT)]
)
def test_nothing_is_cut_off_and_panels_keep_their_room(which: str, name: str) -> None:
    drawn = FIGURES[which](Names(name))
    assert inches_outside(drawn) < _HAIR
    assert least_height(drawn) > _LOW
