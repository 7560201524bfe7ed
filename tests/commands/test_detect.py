"""`main.py detect`: p-values in closed form, rates that hold, pictures of all kinds, and going on."""

from __future__ import annotations

import csv
import gc
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom

import main
from anomaly_methods.calibration import CalibratedMethods, Detection
from anomaly_methods.methods.sources import SourceStatistics
from anomaly_methods.statistics import Statistics
from invglow.data.registry import load_image_set
from models.glow import Glow
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images
from tests.invglow.data.examples import save_picture

DEFAULTS = ("likelihood_ratio", "last_scale_ratio", "typicality")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str) -> NDArray[np.float64]:
    return np.array([float(row[name]) for row in table(path)])


def command(hierarchy: Hierarchy, *more: str | Path, images: str = "") -> tuple[str | Path, ...]:
    """Return the command for a hierarchy, which writes scores.csv into the hierarchy's folder."""
    output = ("--output", hierarchy.folder / "scores.csv")
    return ("detect", "--run", hierarchy.specific, "--images", images or hierarchy.outside, *output, *more)


def statistics_of(run: Path, name: str) -> Statistics:
    (path,) = (run / "statistics").glob(f"*{name}*likelihood.npz")
    return Statistics.load(path)


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


def pictures(folder: Path, count: int, first: int = 0) -> str:
    """Save noisy pictures, and return them as an argument for --images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return f"folder:{folder}"


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


# --- large sets, kills --------------------------------------------------------------------------


def small_pieces(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    monkeypatch.setattr("commands.pieces.PIECE", images)


def test_pieces_change_nothing(copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(copied.folder / "new", 11)
    assert call(*command(copied, images=images)).code == 0
    whole = table(copied.folder / "scores.csv")
    small_pieces(monkeypatch, 4)
    assert call(*command(copied, images=images)).code == 0
    in_pieces = table(copied.folder / "scores.csv")
    assert [row["path"] for row in in_pieces] == [row["path"] for row in whole]
    for one, other in zip(in_pieces, whole, strict=True):
        assert float(one["p_value"]) == float(other["p_value"])
        assert float(one["score"]) == pytest.approx(float(other["score"]), rel=1e-3)
    names = sorted(path.name for path in (copied.specific / "statistics").glob("*new*from*"))
    assert [name.split("-")[-2] for name in names] == ["from0", "from4", "from8"]


def test_memory_does_not_grow_with_the_number_of_pictures(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of statistics, the calibration images' and two pieces' are in memory at most, of 10 and of 40."""
    rows: list[int] = []
    judge = CalibratedMethods.detect

    def counting(self: CalibratedMethods, images: SourceStatistics) -> Detection:
        rows.append(sum(len(found) for found in gc.get_objects() if type(found) is Statistics))
        return judge(self, images)

    def most_rows(count: int) -> int:
        gc.collect()
        rows.clear()
        images = pictures(copied.folder / f"new{count}", count)
        assert call(*command(copied, "--method", "typicality", images=images)).code == 0
        assert len(rows) == count // 5
        return max(rows)

    monkeypatch.setattr(CalibratedMethods, "detect", counting)
    small_pieces(monkeypatch, 5)
    assert most_rows(40) == most_rows(10)


def interrupted_at(batch: int, real: Callable[..., object], batches: list[int]) -> Callable[..., object]:
    def scale_terms(self: Glow, x: object) -> object:
        batches.append(len(batches))
        if len(batches) == batch:
            raise KeyboardInterrupt
        return real(self, x)

    return scale_terms


def test_an_interrupted_detection_goes_on(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pieces(monkeypatch, 4)
    images = pictures(copied.folder / "new", 12)
    batches: list[int] = []
    with monkeypatch.context() as patch:  # two models on the calibration images, then on three pieces
        patch.setattr(Glow, "scale_terms", interrupted_at(6, Glow.scale_terms, batches))
        assert call(*command(copied, images=images)).code == 130
    assert not (copied.folder / "scores.csv").exists()
    batches.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Glow, "scale_terms", interrupted_at(0, Glow.scale_terms, batches))
        assert call(*command(copied, images=images)).code == 0
    assert len(batches) == 3  # what was left of six
    assert len(table(copied.folder / "scores.csv")) == 12


def test_a_failed_write_leaves_the_earlier_table(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*command(copied)).code == 0
    before = (copied.folder / "scores.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anomaly_methods.detection._row", full)
    sentence = call(*command(copied, "--method", "typicality")).refusal()
    assert sentence == f"{copied.folder / 'scores.csv'}: No space left on device."
    assert (copied.folder / "scores.csv").read_bytes() == before


# --- calibration images -------------------------------------------------------------------------


def test_images_that_a_model_was_trained_on_do_not_calibrate(copied: Hierarchy, call: Call) -> None:
    train = ("--calibrate", copied.inside, "--calibrate-split", "train")
    sentence = call(*command(copied, *train)).refusal()
    assert sentence.startswith(f"{copied.specific} was trained on images of {copied.inside} (train)")
    assert "--calibrate" in sentence
    sentence = call(*command(copied, "--calibrate", copied.wide)).refusal()
    assert sentence.startswith(f"{copied.specific / 'general'} was trained on images of {copied.wide}")
    pixels = np.load(copied.folder / "data" / "inside" / "train.npy")
    np.save(copied.folder / "mixed.npy", np.concatenate([pixels, 255 - pixels]))
    sentence = call(*command(copied, "--calibrate", f"array:{copied.folder / 'mixed.npy'}")).refusal()
    assert sentence.startswith(f"{copied.specific} was trained on images of array:")


def test_a_set_without_splits_has_no_held_out_part(call: Call, tmp_path: Path, hierarchy: Hierarchy) -> None:
    data = pictures(tmp_path / "mine", 24)
    run = tmp_path / "run"
    assert call("train", "--data", data, "--run", run, "--image-size", "8", *SHORT, *TINY).code == 0
    detect = ("detect", "--run", run, "--images", hierarchy.outside, "--output", tmp_path / "scores.csv")
    assert f"{run} was trained on images of {data} (test)" in call(*detect).refusal()
    save_picture(tmp_path / "mine" / "000.png", size=(8, 8))  # other pixels, but still the training folder
    assert f"{run} was trained on images of {data} (test)" in call(*detect).refusal()


def test_a_run_whose_set_is_gone_asks_for_images(copied: Hierarchy, call: Call, tmp_path: Path) -> None:
    data = save_images(tmp_path / "own" / "train.npy", 20).removesuffix("/train.npy")
    assert call("train", "--data", data, "--run", tmp_path / "run", *SHORT, *TINY).code == 0
    detect = ("detect", "--run", tmp_path / "run", "--images", copied.outside)
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"Calibration needs images of {data} that {tmp_path / 'run'} was not trained")
    assert "name some with --calibrate" in sentence


@pytest.mark.parametrize("option", ["--false-positive-rate", "--false-discovery-rate"])
def test_too_few_calibration_images_are_refused_with_the_number_needed(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, option: str
) -> None:
    output = ("--output", tmp_path / "scores.csv")
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside, *output, option)
    sentence = call(*detect, "0.01").refusal()
    assert "A rate of 0.01 needs 99 images that calibrate, 1/rate - 1, and so 197 in all" in sentence
    assert "has 50" in sentence
    assert "at least 1/26" in sentence
    sentence = call(*detect, "0.3", "--calibrate-limit", "19").refusal()
    assert sentence.startswith("Calibration needs at least 20 images")
    assert not (hierarchy.specific / "statistics").exists()


def test_images_cannot_judge_themselves(copied: Hierarchy, call: Call) -> None:
    assert "holds the very images that calibrate" in call(*command(copied, images=copied.inside)).refusal()


# --- bad input ----------------------------------------------------------------------------------


def a_folder(folder: Path) -> Path:
    (folder / "taken.csv").mkdir()
    return folder / "taken.csv"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda folder: folder / "scores.txt", "--output must name a .csv file, got"),
        (lambda folder: folder / "nowhere" / "scores.csv", "nowhere, which is not a folder: make it"),
        (a_folder, "taken.csv is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, output: Callable[[Path], Path], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    assert said in call(*detect, "--output", output(tmp_path)).refusal()
    assert not (hierarchy.specific / "statistics").exists()


def test_a_folder_that_is_read_only_is_refused_at_once(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"--output cannot be written into {tmp_path} (Permission denied)")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--false-positive-rate", "0"), "--false-positive-rate must be above 0 and below 1, got 0"),
        (("--false-positive-rate", "1"), "--false-positive-rate must be above 0 and below 1, got 1"),
        (("--false-positive-rate", "nan"), "got nan"),
        (("--false-discovery-rate", "-0.1"), "--false-discovery-rate must be above 0 and below 1, got -0.1"),
        (("--top", "0"), "--top must be between 1 and 1000, got 0"),
        (("--seed", "-1"), "--seed must be zero or more, got -1"),
        (("--sheet", "sheet.jpg"), "--sheet must name a .png file, got sheet.jpg"),
        (("--method", "typicallity"), "There is no method 'typicallity': did you mean typicality"),
        (("--method", "waic"), "Method waic needs an ensemble of runs, which detect does not take"),
        (("--general", "/nowhere"), "/nowhere is not a run folder"),
        (("--calibrate", "cifar11"), "There is no image set called 'cifar11'"),
        (("--limit", "0"), "at least 1, got 0"),
        (("--batch-size", "0"), "batch size must be at least 1"),
    ],
)
def test_options_that_cannot_be_right_are_refused(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    assert said in call(*detect, "--output", tmp_path / "scores.csv", *options).refusal()
    assert not (hierarchy.specific / "statistics").exists()
    assert not list(tmp_path.iterdir())


def test_groups_are_not_offered(hierarchy: Hierarchy, call: Call) -> None:
    with pytest.raises(SystemExit) as exit_:
        call(*command(hierarchy, "--group-size", "2"))
    assert exit_.value.code == 2


def empty(folder: Path) -> str:
    (folder / "empty").mkdir()
    return f"folder:{folder / 'empty'}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (empty, "holds no pictures"),
        (lambda folder: f"folder:{folder / 'nowhere'}", "is not a folder"),
        (lambda folder: save_images(folder / "grey.npy", 5, channels=1), "grey images, but the model takes"),
        (lambda folder: save_images(folder / "large.npy", 5, size=16), "16x16 pixels, but the model takes"),
    ],
)
def test_images_that_cannot_be_judged_are_refused(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, make: Callable[[Path], str], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", make(tmp_path))
    assert said in call(*detect, "--output", tmp_path / "scores.csv").refusal()


def test_a_run_that_is_none_is_refused(call: Call, tmp_path: Path) -> None:
    detect = ("detect", "--run", tmp_path / "nowhere", "--images", "demo-mnist")
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"{tmp_path / 'nowhere'} is not a run folder")
