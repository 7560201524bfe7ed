"""The variants of Glow from the command line: trained, drawn from, measured, fine-tuned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.statistics import Statistics
from invglow.checkpoints import read_config
from tests.commands.calls import SHORT, Call, Hierarchy

SMALL = ("--steps-per-scale", "1", "--hidden-channels", "4")
TWO_SCALES = ("--scales", "2")
VARIANTS: dict[str, tuple[str, ...]] = {
    "local": ("--architecture", "local", "--patch-size", "4"),
    "dense": ("--architecture", "dense", *TWO_SCALES),
    "conditional": ("--prior", "conditional", "--keeps", "first", *TWO_SCALES),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_does_what_any_model_does(
    name: str, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    general, specific = tmp_path / "general", tmp_path / "specific"
    options = (*SHORT, *SMALL, *VARIANTS[name])
    assert call("train", "--data", hierarchy.wide, "--run", general, *options).code == 0
    again = call("train", "--data", hierarchy.wide, "--run", general, *options)
    assert "nothing is trained again" in again.out
    assert call("sample", "--run", general, "--n", "2", "--output", tmp_path / "samples.png").code == 0
    base = ("--base", general, "--no-equal-training")
    assert call("train", "--data", hierarchy.inside, "--run", specific, *base, *SHORT).code == 0
    assert (
        call("statistics", "--run", specific, "--data", hierarchy.outside, "--statistics", "gradients").code
        == 0
    )
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    assert "likelihood_ratio" in call("evaluate", "--run", specific, *sets).out
    shares = statistics_of(specific, "likelihood")
    total = sum(shares.value(f"log_prob.scale{i}") for i in range(1 if name == "local" else 2))
    np.testing.assert_allclose(total, shares.value("log_prob"), rtol=1e-5)


def statistics_of(run: Path, kind: str) -> Statistics:
    """Read the only statistics of a kind about the images that do not belong."""
    (path,) = (run / "statistics").glob(f"*outside*{kind}.npz")
    return Statistics.load(path)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--architecture", "local"), {"scales": 1, "steps_per_scale": 32, "mixing": "lu"}),
        (("--architecture", "dense"), {"scales": 3, "steps_per_scale": 8, "mixing": "rotation"}),
        ((), {"scales": 3, "steps_per_scale": 32, "mixing": "lu"}),
    ],
)
def test_defaults_are_those_of_the_paper(
    options: tuple[str, ...], expected: dict[str, object], hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    train = ("train", "--data", hierarchy.wide, "--run", tmp_path / "run", "--steps", "1")
    assert call(*train, "--hidden-channels", "2", *options).code == 0
    settings = read_config(tmp_path / "run")["model"]["settings"]
    assert {key: settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--architecture", "global"),
            "Unknown architecture 'global'; known are convolutional, local, dense.",
        ),
        (("--architecture", "local", "--scales", "2"), "The local architecture has one scale, got 2"),
        (("--architecture", "local", "--patch-size", "3"), "patch_size must be even and at least 2, got 3."),
        (("--architecture", "dense", "--mixing", "lu"), "The dense architecture mixes by rotation, shuffle"),
        (("--prior", "flat"), "Unknown prior 'flat'"),
        (("--keeps", "both"), "Unknown half that goes on 'both'"),
        (("--prior", "conditional", "--architecture", "dense"), "Conditional priors are for the conv"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    options: tuple[str, ...], sentence: str, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    train = ("train", "--data", hierarchy.wide, "--run", tmp_path / "run", *SHORT)
    assert sentence in call(*train, *options).refusal()
    assert not (tmp_path / "run").exists()
