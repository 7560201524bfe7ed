"""`main.py detect`: p-values in closed form, rates that hold, pictures of all kinds, and going on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

import main
from anomaly_methods.statistics import Statistics
from invglow.data.registry import load_image_set
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images
from tests.commands.detections import column, command, pictures, statistics_of, table
from tests.invglow.data.examples import save_picture

DEFAULTS = ("likelihood_ratio", "last_scale_ratio", "typicality")


# --- what is found ------------------------------------------------------------------------------


def test_the_table_holds_every_picture_by_its_p_value(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied, "--false-positive-rate", "0.1"))
    assert outcome.code == 0
    rows = table(copied.folder / "scores.csv")
    columns = [f"{method}_{what}" for method in DEFAULTS for what in ("score", "p_value")]
    assert list(rows[0]) == ["path", "p_value", "score", "flagged", *columns]
    assert sorted(int(row["path"]) for row in rows) == list(range(10))
    p_values = [float(row["p_value"]) for row in rows]
    assert p_values == sorted(p_values)
    assert [row["flagged"] for row in rows] == [str(p <= 0.1) for p in p_values]
    flagged = sum(p <= 0.1 for p in p_values)
    assert f"Methods: {', '.join(DEFAULTS)}." in outcome.out
    assert "Calibrated on 25 of the 50 images of array:" in outcome.out
    assert "inside (test); the methods learnt from the other 25. The lowest p-value is 1/26." in outcome.out
    assert f"Flagged: {flagged} of 10 pictures of {copied.outside}, with p <= 0.1" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("Written: ")


def test_p_values_count_the_held_out_images_that_score_as_high(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied, "--method", "raw_likelihood", "--seed", "3"))
    assert outcome.code == 0
    _, held_out = statistics_of(copied.specific, "inside").halves(3)
    scores = -statistics_of(copied.specific, "outside").value("log_prob")
    expected = [(1 + np.sum(-held_out.value("log_prob") >= score)) / 26 for score in scores]
    rows = sorted(table(copied.folder / "scores.csv"), key=lambda row: int(row["path"]))
    assert [float(row["raw_likelihood_score"]) for row in rows] == scores.tolist()
    assert [float(row["raw_likelihood_p_value"]) for row in rows] == pytest.approx(expected, abs=0)
    assert [float(row["p_value"]) for row in rows] == pytest.approx(expected, abs=0)


def test_the_general_model_is_that_of_the_run_or_the_one_named(copied: Hierarchy, call: Call) -> None:
    ratio = ("--method", "likelihood_ratio")
    assert call(*command(copied, *ratio)).code == 0
    equally_trained = sorted(column(copied.folder / "scores.csv", "likelihood_ratio_score"))
    assert call(*command(copied, *ratio, "--general", copied.general)).code == 0
    assert sorted(column(copied.folder / "scores.csv", "likelihood_ratio_score")) != equally_trained
    own = statistics_of(copied.specific / "general", "outside").value("log_prob")
    expected = sorted(own - statistics_of(copied.specific, "outside").value("log_prob"))
    assert equally_trained == pytest.approx(expected)


def test_without_a_general_model_typicality_judges(copied: Hierarchy, call: Call) -> None:
    run = ("detect", "--run", copied.general, "--images", copied.outside, "--calibrate", copied.inside)
    output = ("--output", copied.folder / "scores.csv")
    outcome = call(*run, *output)
    assert outcome.code == 0
    assert "Methods: typicality." in outcome.out
    refused = call(*run, *output, "--method", "likelihood_ratio")
    assert refused.refusal().startswith("Method likelihood_ratio needs a general model, and none is known")


def test_methods_on_gradients_and_codecs_compute_what_they_need(copied: Hierarchy, call: Call) -> None:
    methods = ("gradients_L2_norms_gaussian", "complexity_ratio", "combined")
    outcome = call(*command(copied, "--method", *methods))
    assert outcome.code == 0
    assert f"Methods: {', '.join(methods)}." in outcome.out
    names = {path.name.rpartition("-")[2] for path in (copied.specific / "statistics").iterdir()}
    assert {"gradients.npz", "likelihood.npz"} < names


def test_a_discovery_rate_flags_by_benjamini_and_hochberg(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied, "--false-discovery-rate", "0.2", "--calibrate-limit", "40"))
    assert outcome.code == 0
    p_values = column(copied.folder / "scores.csv", "p_value")
    good = [k for k, p in enumerate(p_values, start=1) if p <= 0.2 * k / 10]
    flagged = [row["flagged"] for row in table(copied.folder / "scores.csv")]
    assert flagged == ["True"] * max(good, default=0) + ["False"] * (10 - max(good, default=0))
    assert "of which a share of at most 0.2 is normal, on average" in outcome.out
    assert f"nothing is flagged unless {math.ceil(10 / (0.2 * 21))} pictures together" in outcome.out


def test_scores_that_are_not_finite_come_first_and_are_counted(copied: Hierarchy, call: Call) -> None:
    assert call(*command(copied, "--method", "typicality")).code == 0
    (path,) = (copied.specific / "statistics").glob("*outside*")
    found = Statistics.load(path)
    values = {name: array.copy() for name, array in found.values.items()}
    values["log_prob"][7] = np.nan
    Statistics(values, found.index, found.meta).save(path)
    outcome = call(*command(copied, "--method", "typicality"))
    assert outcome.code == 0
    first, *_ = table(copied.folder / "scores.csv")
    assert (first["path"], first["score"]) == ("7", "inf")
    assert float(first["p_value"]) == 1 / 26
    assert "Not finite: scores of 1 of the 10 pictures, which count as the most anomalous." in outcome.out


def test_the_sheet_shows_the_most_anomalous_as_the_model_sees_them(copied: Hierarchy, call: Call) -> None:
    sheet = copied.folder / "first.png"
    assert call(*command(copied, "--top", "3", "--sheet", sheet)).code == 0
    assert not (copied.folder / "scores.png").exists()
    images = np.load(copied.folder / "data" / "outside.npy")
    with Image.open(sheet) as picture:
        pixels = np.asarray(picture)
    side = 96 + 6
    for rank, row in enumerate(table(copied.folder / "scores.csv")[:3]):
        top, left = 4 + (rank // 2) * (side + 16 + 4) + 3, 4 + (rank % 2) * (side + 4) + 3
        np.testing.assert_array_equal(
            pixels[top : top + 96 : 12, left : left + 96 : 12], images[int(row["path"])]
        )
    assert call(*command(copied)).code == 0
    assert (copied.folder / "scores.png").exists()


# --- rates --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run on clothes, and of held-out clothes 1600 to calibrate on and 400 others."""
    folder = tmp_path_factory.mktemp("demo")
    clothes = load_image_set("demo-fashion-mnist", "test", folder=folder).images
    clothes = clothes[np.random.default_rng(0).permutation(len(clothes))]
    np.save(folder / "calibration.npy", clothes[:1600])
    np.save(folder / "others.npy", clothes[1600:])
    run = ("train", "--data", "demo-fashion-mnist", "--limit", "64", "--run", str(folder / "run"))
    assert main.main([*run, *SHORT, *TINY]) == 0
    return folder


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_of_normal_pictures_the_rate_is_flagged(demo: Path, call: Call, rate: float) -> None:
    """All p-values keep to the binomial 99 % interval, although 800 calibration images add to the spread."""
    methods = ("--method", "typicality", "last_scale", "raw_likelihood")
    sets = ("--images", f"array:{demo / 'others.npy'}", "--calibrate", f"array:{demo / 'calibration.npy'}")
    output = demo / "scores.csv"
    rates = ("--false-positive-rate", str(rate))
    outcome = call("detect", "--run", demo / "run", *sets, *methods, *rates, "--output", output)
    assert outcome.code == 0
    low, high = binom.interval(0.99, 400, rate)
    flagged = sum(row["flagged"] == "True" for row in table(output))
    assert low <= flagged <= high
    for method in methods[1:]:
        assert low <= np.sum(column(output, f"{method}_p_value") <= rate) <= high


def test_noise_among_clothes_is_flagged(demo: Path, call: Call) -> None:
    noise = save_images(demo / "noise.npy", 30, size=32, channels=1)
    sets = ("--images", noise, "--calibrate", f"array:{demo / 'calibration.npy'}")
    outcome = call("detect", "--run", demo / "run", *sets, "--output", demo / "noise.csv")
    assert outcome.code == 0
    assert (column(demo / "noise.csv", "p_value") <= 0.05).all()


# --- folders of pictures ------------------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_counted_and_named(copied: Hierarchy, call: Call) -> None:
    images = pictures(copied.folder / "new", 5)
    (copied.folder / "new" / "002.png").write_bytes(b"not a picture")
    for _ in range(2):
        outcome = call(*command(copied, images=images))
        assert outcome.code == 0
        assert "1 of 5 pictures" in outcome.out
        assert "cannot be read and are left out: 002.png." in outcome.out
        names = sorted(Path(row["path"]).name for row in table(copied.folder / "scores.csv"))
        assert names == ["000.png", "001.png", "003.png", "004.png"]
    assert Path(table(copied.folder / "scores.csv")[0]["path"]).is_file()


def test_rows_belong_to_their_pictures(copied: Hierarchy, call: Call) -> None:
    """A dark picture among bright ones has the score that it has alone."""
    for name, brightness in (("a", 250), ("b", 10), ("c", 240)):
        save_picture(copied.folder / "new" / f"{name}.png", size=(8, 8), colour=(brightness,) * 3)
    save_picture(copied.folder / "alone" / "b.png", size=(8, 8), colour=(10, 10, 10))
    found = {}
    for name in ("new", "alone"):
        assert call(*command(copied, images=f"folder:{copied.folder / name}")).code == 0
        for row in table(copied.folder / "scores.csv"):
            found[name, Path(row["path"]).stem] = float(row["likelihood_ratio_score"])
    assert found["new", "b"] == pytest.approx(found["alone", "b"], rel=1e-4)
    assert found["new", "a"] != pytest.approx(found["new", "b"], rel=1e-2)


def test_a_folder_that_changed_is_computed_again_and_that_is_said(copied: Hierarchy, call: Call) -> None:
    images = pictures(copied.folder / "new", 4)
    assert "has changed" not in call(*command(copied, images=images)).out
    pictures(copied.folder / "new", 2, first=50)
    outcome = call(*command(copied, images=images))
    assert outcome.code == 0
    assert outcome.out.count(f"{images} has changed since ") == 2  # under both models
    assert len(table(copied.folder / "scores.csv")) == 6
    assert "has changed" not in call(*command(copied, images=images)).out
