"""Training curves of a page: one picture for each quantity that was recorded, described in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from plots.report.curves import last_values, training_pictures
from plots.training_metrics import Curve, TrainingMetrics


def metrics(**curves: list[float]) -> TrainingMetrics:
    """Return curves by names with "__" in the place of the slash."""
    found = {
        name.replace("__", "/"): Curve(np.arange(1, len(values) + 1), np.array(values))
        for name, values in curves.items()
    }
    return TrainingMetrics("a-run", "mnist", 8, found)


def test_what_was_recorded_is_drawn_and_described() -> None:
    recorded = metrics(
        bits_per_dim__batch=[4.0, 3.0],
        bits_per_dim__test=[3.5, 3.25],
        auroc__svhn=[0.5, 0.875],
        auroc_raw__svhn=[0.5, 0.125],
    )
    fit, aurocs = training_pictures(recorded)
    assert "a-run. Bits per dimension over optimizer steps: batch ends at 3.000; test ends at 3.250." in (
        fit.alternative
    )
    assert (
        "svhn by likelihood ratio ends at 0.875; svhn by raw likelihood ends at 0.125" in aurocs.alternative
    )
    assert fit.data != aurocs.data
    assert last_values(recorded) == {"Bits per dimension, test": 3.25}


def test_a_bound_is_called_one() -> None:
    recorded = replace(metrics(bits_per_dim__test=[3.5]), bounded=True)
    (fit,) = training_pictures(recorded)
    assert "Bits per dimension (upper bound, ELBO) over optimizer steps" in fit.alternative
    assert last_values(recorded) == {"Bits per dimension (upper bound, ELBO), test": 3.5}


def test_a_surrogate_is_not_called_bits_per_dimension() -> None:
    recorded = metrics(surrogate__test=[-5.0, math.nan])
    (fit,) = training_pictures(recorded)
    assert "Mean surrogate of log p(x) in nats" in fit.alternative
    assert "nan" in fit.alternative
    ((name, value),) = last_values(recorded).items()
    assert name == "Mean surrogate of log p(x) in nats, test"
    assert math.isnan(value)


def test_nothing_recorded_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no bits per dimension"):
        training_pictures(metrics(other__test=[1.0]))
    assert last_values(metrics(other__test=[1.0])) == {}
