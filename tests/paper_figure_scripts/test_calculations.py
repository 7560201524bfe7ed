"""The scripts that compute something themselves: what they print is what the analyses give."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.analyses.hsv import hsv_bits_per_dim
from anomaly_methods.analyses.total_variation import volume_bounds
from anomaly_methods.metrics import auroc
from anomaly_methods.stored import Selection
from commands.pixels import middle
from tests.anomaly_methods.examples import make_statistics
from tests.commands.calls import Call, save_images

SCRIPTS = Path(__file__).parents[2] / "paper_figure_scripts"


def program(name: str, capsys: pytest.CaptureFixture[str]) -> Call:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Call(capsys, module.main)


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts put the project's folder on the path."""
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_total_variation_of_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = save_images(tmp_path / "smooth.npy", 30, size=10, channels=1, values=(0, 20))
    words = ("--data", spec, "--image-size", "8", "--share", "0.5", "--output", tmp_path / "t.csv")
    outcome = program("MNIST_total_variation", capsys)(*words)
    assert outcome.code == 0, outcome.err
    (expected,) = volume_bounds(middle(np.load(tmp_path / "smooth.npy"), 8), spec, (0.5,))
    (row,) = rows_of(tmp_path / "t.csv")
    assert float(row["log10_volume"]) == expected.log10_volume
    assert f"{expected.log10_volume:.4g}" in outcome.out
    assert "30 images of 1 x 8 x 8; uniform noise varies by 37." in outcome.out


def test_embedded_digits_are_few_among_all_images(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = program("MNIST_total_variation", capsys)("--limit", "200", "--share", "1")
    assert outcome.code == 0
    assert float(outcome.out.split()[-2]) < -100


def test_rgb_to_hsv_moves_likelihoods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = save_images(tmp_path / "in.npy", 6)
    outside = save_images(tmp_path / "out.npy", 4, seed=1, values=(100, 130))
    shifts = [hsv_bits_per_dim(np.load(tmp_path / name)) for name in ("in.npy", "out.npy")]
    bits = [np.linspace(3, 4, 6), np.linspace(3.3, 3.6, 4)]
    for spec, one in zip((inside, outside), bits, strict=True):
        log_prob = (8 - one) * 3 * 64 * np.log(2)
        make_statistics(log_prob, dataset=spec).save(Selection().path(tmp_path / "run", spec, "likelihood"))
    files = ("--output", tmp_path / "t.csv", "--per-image", tmp_path / "i.csv")
    words = ("--data", inside, outside, "--run", tmp_path / "run", *files)
    outcome = program("rgb_hsv_conversion", capsys)(*words)
    assert outcome.code == 0, outcome.err
    assert [float(row["bits_per_dim"]) for row in rows_of(tmp_path / "i.csv")] == [*shifts[0], *shifts[1]]
    first, second = rows_of(tmp_path / "t.csv")
    assert [float(row["mean"]) for row in (first, second)] == [one.mean() for one in shifts]
    assert float(second["auroc"]) == auroc(*shifts)
    before, after = auroc(*bits), auroc(bits[0] + shifts[0], bits[1] + shifts[1])
    assert before != after
    assert f"{before:.3f} in RGB, {after:.3f} in HSV" in outcome.out


def test_a_bound_is_called_one_and_a_surrogate_is_not_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = save_images(tmp_path / "in.npy", 4)
    path = Selection().path(tmp_path / "run", spec, "likelihood")
    make_statistics([-10.0] * 4, dataset=spec, bound="elbo").save(path)
    outcome = program("rgb_hsv_conversion", capsys)("--data", spec, "--run", tmp_path / "run")
    assert "bits per dimension (upper bound, ELBO) in RGB" in outcome.out
    make_statistics([-10.0] * 4, dataset=spec, bound="surrogate").save(path)
    outcome = program("rgb_hsv_conversion", capsys)("--data", spec, "--run", tmp_path / "run")
    assert "surrogate" in outcome.refusal()


def test_missing_likelihoods_are_said_with_their_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = save_images(tmp_path / "in.npy", 6)
    outcome = program("rgb_hsv_conversion", capsys)("--data", spec, "--run", tmp_path / "run")
    assert "main.py statistics --run" in outcome.refusal()


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("MNIST_total_variation", ("--data", "nonsense"), "no image set called 'nonsense'"),
        ("MNIST_total_variation", ("--image-size", "0", "--limit", "2"), "at least 1 pixel, got 0"),
        ("MNIST_total_variation", ("--share", "1.5", "--limit", "2"), "shares must be from 0 to 1, got 1.5"),
        ("rgb_hsv_conversion", ("--data", "demo-mnist", "--limit", "2"), "HSV is for uint8 colour images"),
    ],
)
def test_what_makes_no_sense_is_refused(
    name: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in program(name, capsys)(*words).refusal()
