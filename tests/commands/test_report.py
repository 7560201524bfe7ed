"""`main.py report`: the page says what the files say, and what is not there."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from anomaly_methods.statistics import Statistics
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, files, newest_results
from tests.commands.report_examples import Page

METHODS = ("raw_likelihood", "likelihood_ratio", "last_scale", "typicality")


def sets(hierarchy: Hierarchy) -> tuple[str, ...]:
    return ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)


@pytest.fixture(scope="module")
def pristine(hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    """Return a copy of the hierarchy with a table; nobody may change it."""
    folder = tmp_path_factory.mktemp("evaluated") / "hierarchy"
    shutil.copytree(hierarchy.folder, folder)
    found = Hierarchy(folder)
    assert main.main(["evaluate", "--run", str(found.specific), *sets(found), "--method", *METHODS]) == 0
    return found


@pytest.fixture(scope="module")
def page_of_pristine(pristine: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of that run."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert main.main(["report", "--run", str(pristine.specific), "--output", str(path)]) == 0
    return path


@pytest.fixture
def evaluated(pristine: Hierarchy, tmp_path: Path) -> Hierarchy:
    """Return a copy of the hierarchy with a table, to harm."""
    shutil.copytree(pristine.folder, tmp_path / "evaluated")
    return Hierarchy(tmp_path / "evaluated")


class Reporter:
    """Reports on a run, and reads the page."""

    def __init__(self, call: Call, path: Path) -> None:
        self._call, self.path, self.printed = call, path, ""

    def __call__(self, run: Path, *options: str | Path) -> Page:
        outcome = self._call("report", "--run", run, "--output", self.path, *options)
        assert outcome.code == 0, outcome.err
        self.printed = outcome.out
        return Page(self.path)


@pytest.fixture
def report(call: Call, tmp_path: Path) -> Reporter:
    return Reporter(call, tmp_path / "page.html")


def test_the_page_holds_the_table_and_a_figure_of_each_method(
    pristine: Hierarchy, page_of_pristine: Path, report: Reporter
) -> None:
    before = files(pristine.specific)
    page = report(pristine.specific)
    assert files(pristine.specific) == before, "a report only reads"
    rows = json.loads(newest_results(pristine.specific).read_text())
    words = [str(image["alt"]) for image in page.all("img")]
    for row in rows:
        assert row["method"] in page.text("th")
        assert f"{row['auroc']:.3f}" in page.text("td")
        assert f"{row['auroc_low']:.3f} \N{EN DASH} {row['auroc_high']:.3f}" in page.text("td")
        (own,) = [text for text in words if text.startswith(f"Histograms. {row['method']};")]
        assert f"AUROC {row['auroc']:.3f}" in own
    assert sum("Raw likelihood, model" in text for text in words) == 1
    assert sum("Likelihood ratio, models" in text for text in words) == 1
    assert sum(text.startswith("Training curves") for text in words) == 2
    assert len(words) == len(rows) + 4
    assert report.path.read_bytes() == page_of_pristine.read_bytes(), "the same page each time"
    assert report.printed == f"Report: {report.path} (1 tables, {report.path.stat().st_size / 1e6:.1f} MB)\n"


def test_the_page_is_whole_in_itself_and_well_formed(page_of_pristine: Path) -> None:
    page = Page(page_of_pristine)
    assert all(str(image["src"]).startswith("data:image/") and image["alt"] for image in page.all("img"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    ids = [str(found["id"]) for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert all(str(link["href"]).removeprefix("#") in ids for link in page.all("a"))
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}
    assert len(page.all("caption")) == len(page.all("table"))
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert page.all("html")[0]["lang"] == "en"
    policy = [str(meta["content"]) for meta in page.all("meta") if "http-equiv" in meta]
    assert policy[0].startswith("default-src 'none'")


def test_settings_provenance_timings_and_counts_are_there(
    pristine: Hierarchy, page_of_pristine: Path
) -> None:
    page = Page(page_of_pristine)
    config = json.loads((pristine.specific / "config.json").read_text())
    checkpoint = json.loads((pristine.specific / "checkpoint.json").read_text())
    text = page.text()
    for value in (config["data"]["sha256"], config["origin"]["run"], config["versions"]["torch"]):
        assert value in text
    assert checkpoint["sha256"]["model.safetensors"] in text
    assert "settings.hidden_channels4" in text
    assert all(path.name in text for path in (pristine.specific / "statistics").iterdir())
    assert "Training time" in text
    assert "Bits per dimension, test" in text
    assert "this run's" in text


def test_its_commands_repeat_the_table_and_the_training(
    evaluated: Hierarchy, report: Reporter, call: Call
) -> None:
    table = newest_results(evaluated.specific)
    content = table.read_bytes()
    commands = [shlex.split(text)[2:] for text in report(evaluated.specific).commands()]
    assert [words[0] for words in commands] == ["sample", "train", "evaluate"]
    table.unlink()
    assert call(*commands[2]).code == 0
    assert newest_results(evaluated.specific) == table
    assert table.read_bytes() == content
    assert "All 4 steps were done before" in call(*commands[1]).out
    assert call(*commands[0]).code == 0
    (picture,) = (image for image in report(evaluated.specific).all("img") if image.get("class") == "pixels")
    assert "samples.png" in str(picture["alt"])


def test_every_option_that_a_table_shows_is_in_its_command(
    copied: Hierarchy, report: Reporter, call: Call
) -> None:
    options = (
        "--limit",
        "41",
        "--group-size",
        "2",
        "--seed",
        "3",
        "--method",
        "raw_likelihood",
        "typicality",
    )
    assert call("evaluate", "--run", copied.specific, *sets(copied), *options).code == 0
    page = report(copied.specific)
    *_, command = page.commands()
    assert all(word in shlex.split(command) for word in options)
    assert "In outline" not in page.text()
    assert "groups of 2 images (group size 2)" in page.text("caption")
    assert any("typicality, groups of 2 images" in str(image["alt"]) for image in page.all("img"))


def test_a_table_of_another_name_is_taken_where_it_is_named(
    copied: Hierarchy, report: Reporter, call: Call, tmp_path: Path
) -> None:
    table = tmp_path / "somewhere.json"
    assert (
        call("evaluate", "--run", copied.specific, *sets(copied), "--method", *METHODS, "--json", table).code
        == 0
    )
    page = report(copied.specific, "--evaluation", table)
    assert "somewhere.json" in page.text()
    assert "In outline" in page.text()
    assert "likelihood_ratio" in page.text("th")


def test_a_run_without_an_evaluation_says_which_command_adds_one(copied: Hierarchy, report: Reporter) -> None:
    page = report(copied.specific)
    command = next(page.commands())
    assert shlex.split(command)[2:5] == ["evaluate", "--run", str(copied.specific)]
    assert "no evaluation" in page.text()
    assert "this adds one" in report.printed
    assert any(str(image["alt"]).startswith("Training curves") for image in page.all("img"))
    assert "settings.hidden_channels" in page.text()


def test_an_unfinished_training_is_said(copied: Hierarchy, report: Reporter) -> None:
    path = copied.specific / "config.json"
    config = json.loads(path.read_text())
    config["training"]["steps"] = 1000
    path.write_text(json.dumps(config))
    assert "Training is not finished: 4 of 1,000 steps" in report(copied.specific).text("p")


def test_what_can_be_deleted_is_missed_in_words_alone(evaluated: Hierarchy, report: Reporter) -> None:
    for part in (evaluated.specific, evaluated.specific / "general"):
        shutil.rmtree(part / "statistics")
    for name in ("metrics.jsonl", "training_state.pt", "checkpoint.json"):
        (evaluated.specific / name).unlink()
    shutil.rmtree(evaluated.specific / "previous")
    page = report(evaluated.specific)
    assert page.all("img") == []
    assert "There are no training curves: the folder holds no metrics.jsonl" in page.text("p")
    assert "No histogram of likelihood_ratio" in page.text("p")
    assert "no statistics files" in page.text("p")
    assert "not recorded" in page.text("dd")
    assert "likelihood_ratio" in page.text("th")


def test_figures_are_drawn_only_of_scores_that_give_the_table(evaluated: Hierarchy, report: Reporter) -> None:
    table = newest_results(evaluated.specific)
    rows = json.loads(table.read_text())
    (row,) = (row for row in rows if row["method"] == "last_scale")
    row["auroc"] = 0.123
    table.write_text(json.dumps(rows))
    page = report(evaluated.specific)
    assert "0.123" in page.text("td"), "the table is what the file says"
    assert "No histogram of last_scale: the saved statistics" in page.text("p")
    assert not any("last_scale;" in str(image["alt"]) for image in page.all("img"))


def test_values_that_are_not_finite_and_other_weights_are_counted(
    evaluated: Hierarchy, report: Reporter
) -> None:
    (path,) = (evaluated.specific / "statistics").glob("*outside*likelihood.npz")
    found = Statistics.load(path)
    values = {name: np.where(np.arange(len(found)) < 3, np.nan, v) for name, v in found.values.items()}
    meta = found.meta.to_json() | {"checkpoint_sha256": "0" * 64, "dropped": 7}
    Statistics(values, found.index, type(found.meta).from_json(meta)).save(path)
    page = report(evaluated.specific)
    (start,) = (n for n, (_, text) in enumerate(page.texts) if text == "of others")
    cells = [text for _, text in page.texts[start - 9 : start + 2] if text.strip()]
    assert str(3 * len(values)) in cells
    assert "7" in cells
    assert path.name in cells


def test_damaged_parts_are_named_and_the_rest_is_shown(evaluated: Hierarchy, report: Reporter) -> None:
    (evaluated.specific / "evaluation-broken.json").write_text('[{"method": 1}]')
    (evaluated.specific / "statistics" / "broken.npz").write_bytes(b"PK broken")
    (evaluated.specific / "samples.png").write_bytes(b"no picture")
    Image.new("L", (4, 4)).save(evaluated.specific / "samples-2.png")
    page = report(evaluated.specific)
    notices = page.text("p")
    for name in ("evaluation-broken.json is not a table", "broken.npz is left out", "samples.png is not a"):
        assert name in notices
        assert name in report.printed
    assert any("samples-2.png" in str(image["alt"]) for image in page.all("img"))
    assert "likelihood_ratio" in page.text("th")


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '[{"method": "x"}]', "[" * 100_000])
def test_a_table_that_was_named_must_be_one(
    copied: Hierarchy, call: Call, tmp_path: Path, content: str
) -> None:
    table, page = tmp_path / "table.json", tmp_path / "page.html"
    table.write_text(content)
    outcome = call("report", "--run", copied.specific, "--output", page, "--evaluation", table)
    assert str(table) in outcome.refusal()
    assert not page.exists()


def test_what_cannot_be_reported_on_is_refused(copied: Hierarchy, call: Call, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    outcome = call("report", "--run", tmp_path, "--output", page)
    assert "is not a run folder" in outcome.refusal()
    missing = ("--evaluation", tmp_path / "no.json")
    outcome = call("report", "--run", copied.specific, "--output", page, *missing)
    assert "There is no table" in outcome.refusal()
    (copied.specific / "config.json").write_text("{")
    assert "config.json" in call("report", "--run", copied.specific, "--output", page).refusal()
    assert page.read_text() == "before"


@pytest.mark.parametrize(
    ("name", "sentence"), [("page.txt", "must name a .html file"), ("no/page.html", "is not a folder")]
)
def test_an_output_that_cannot_be_is_refused_first(
    copied: Hierarchy, call: Call, tmp_path: Path, name: str, sentence: str
) -> None:
    outcome = call("report", "--run", copied.specific / "nowhere", "--output", tmp_path / name)
    assert sentence in outcome.refusal()


def test_a_run_of_its_own_has_no_general_model(tmp_path: Path, hierarchy: Hierarchy, call: Call) -> None:
    run, page = tmp_path / "alone", tmp_path / "page.html"
    size = (*SHORT, *TINY, "--no-augmentation")
    assert call("train", "--data", hierarchy.wide, "--run", run, *size).code == 0
    assert call("evaluate", "--run", run, *sets(hierarchy), "--method", *METHODS[2:]).code == 0
    assert call("report", "--run", run, "--output", page).code == 0
    read = Page(page)
    assert "from scratch" in read.text("p")
    assert not any("Likelihood ratio" in str(image["alt"]) for image in read.all("img"))
    (training,) = (words for text in read.commands() if (words := shlex.split(text)[2:])[0] == "train")
    assert "All 4 steps were done before" in call(*training).out
