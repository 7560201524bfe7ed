"""What is said about many images: put together, in order, flagged, and as a file."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from anomaly_methods.calibration import Detection, calibrate, conformal_p_values
from anomaly_methods.detection import discoveries, most_anomalous_first, put_together, write_table
from anomaly_methods.methods.registry import get_method
from tests.anomaly_methods.gradient_examples import all_sources


def found(p_values: ArrayLike, statistic: ArrayLike) -> Detection:
    """Return what two methods could have said about some images."""
    p, s = np.asarray(p_values, dtype=np.float64), np.asarray(statistic, dtype=np.float64)
    return Detection({"a": s, "b": 2 * s}, {"a": p, "b": p**2}, s, p)


def test_pieces_put_together_are_the_whole() -> None:
    methods = [get_method("raw_likelihood"), get_method("typicality")]
    calibrated = calibrate(methods, all_sources("in", 100))
    images = all_sources("new", 30, seed=1)
    whole = calibrated.detect(images)
    pieces = [
        {source: part.select(list(rows)) for source, part in images.items()}
        for rows in (range(7), range(7, 8), range(8, 30))
    ]
    together = put_together([calibrated.detect(piece) for piece in pieces])
    np.testing.assert_array_equal(together.combined, whole.combined)
    np.testing.assert_array_equal(together.statistic, whole.statistic)
    for name in ("raw_likelihood", "typicality"):
        np.testing.assert_array_equal(together.scores[name], whole.scores[name])
        np.testing.assert_array_equal(together.p_values[name], whole.p_values[name])
    with pytest.raises(ValueError, match="no judged images"):
        put_together([])


def test_the_statistic_decides_among_equal_p_values_and_then_the_place() -> None:
    detection = found([0.5, 0.1, 0.1, 0.1, 0.1, 0.9], [1, 5, np.inf, 7, 5, 0])
    assert most_anomalous_first(detection).tolist() == [2, 3, 1, 4, 0, 5]


def slow_discoveries(p_values: NDArray[np.float64], rate: float) -> list[bool]:
    """Return what the definition says: all up to the largest k with p_(k) <= rate k / N."""
    ordered = sorted(p_values)
    good = [k for k, p in enumerate(ordered, start=1) if p <= rate * k / len(ordered)]
    return [bool(good) and p <= ordered[max(good) - 1] for p in p_values]


def test_discoveries_in_closed_form() -> None:
    """Of N = 4, the largest k with p_(k) <= 0.04 k / 4 is 3, although p_(1) and p_(2) are too high alone."""
    assert discoveries([0.03, 0.9, 0.025, 0.02], 0.04).tolist() == [True, False, True, True]
    assert discoveries([0.031, 0.9, 0.025, 0.021], 0.04).tolist() == [False] * 4


def test_discoveries_are_those_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        p_values = generator.uniform(size=generator.integers(1, 40)) ** generator.integers(1, 5)
        assert discoveries(p_values, 0.13).tolist() == slow_discoveries(p_values, 0.13)


def test_the_share_of_normal_images_among_discoveries_keeps_its_rate() -> None:
    """800 draws: 150 calibration scores, 80 normal images and 20 anomalies three deviations away."""
    generator, shares, powers = np.random.default_rng(1), [], []
    for _ in range(800):
        scores = generator.normal(size=100) + np.r_[np.zeros(80), np.full(20, 3.0)]
        flags = discoveries(conformal_p_values(generator.normal(size=150), scores), 0.2)
        shares.append(flags[:80].sum() / max(1, flags.sum()))
        powers.append(flags[80:].mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert 0.2 * 0.6 < np.mean(shares) < 0.2 * 80 / 100 + 3 * error
    assert np.mean(powers) > 0.8


def test_the_table_reads_back_unrounded_and_in_order(tmp_path: Path) -> None:
    detection = found([1 / 3, 0.1, 0.2], [1.5, np.inf, np.nan])
    names = ["a, b.png", 'c"d".png', "e\nf.png"]
    order = write_table(tmp_path / "scores.csv", names, detection, np.array([False, True, True]))
    assert order.tolist() == [1, 2, 0]
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "path",
        "p_value",
        "score",
        "flagged",
        "a_score",
        "a_p_value",
        "b_score",
        "b_p_value",
    ]
    assert [row["path"] for row in rows] == [names[place] for place in order]
    assert [row["flagged"] for row in rows] == ["True", "True", "False"]
    assert [float(row["p_value"]) for row in rows] == [0.1, 0.2, 1 / 3]
    assert [float(row["a_p_value"]) for row in rows] == [0.1, 0.2, 1 / 3]
    assert [float(row["b_p_value"]) for row in rows] == [0.1**2, 0.2**2, (1 / 3) ** 2]
    assert float(rows[2]["b_score"]) == 3.0
    assert rows[0]["score"] == "inf"


def test_names_that_are_no_text_are_written_byte_for_byte(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_table(tmp_path / "scores.csv", [name], found([0.5], [1.0]), np.array([False]))
    assert b"\ncaf\xe9.png,0.5,1.0,False" in (tmp_path / "scores.csv").read_bytes().replace(b"\r", b"")


def test_an_earlier_table_stays_when_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("earlier")
    with pytest.raises(IndexError):
        write_table(tmp_path / "scores.csv", [], found([0.5], [1.0]), np.array([False]))
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    assert (tmp_path / "scores.csv").read_text() == "earlier"
