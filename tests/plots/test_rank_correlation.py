"""Scatters of ranks: the right ranks and coefficients, every image in sight or counted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy.stats import kendalltau, spearmanr

from anomaly_methods.statistics import Statistics
from invglow.run_config import write_config
from plots.rank_correlation import main, make_figure, ranking, save
from tests.plots.examples import keep, likelihood

IN, OUT = "cifar10", "svhn"


def test_ranks_are_among_the_images_of_all_sets() -> None:
    found = ranking({"one": of_model("one"), "two": of_model("two", flip=True)})
    pooled = np.concatenate([statistics.value("log_prob") for statistics in of_model("one")])
    np.testing.assert_array_equal(found.ranks("one"), 1 + np.argsort(np.argsort(pooled)))
    np.testing.assert_array_equal(found.ranks("two"), 71 - found.ranks("one"))
    assert [row.spearman for row in found.correlations] == pytest.approx([-1, -1, -1])


def test_each_pair_of_models_has_a_panel_with_all_images() -> None:
    models = {name: of_model(name, noise=place) for place, name in enumerate(("one", "two", "three"))}
    figure = make_figure(ranking(models))
    assert len(figure.axes) == 3
    first, second = (np.concatenate([s.value("log_prob") for s in models[name]]) for name in ("one", "two"))
    axes = figure.axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert sorted(map(tuple, points)) == sorted(zip(rank(first), rank(second), strict=True))
    assert kendalltau(*points.T).statistic == pytest.approx(kendalltau(first, second).statistic)
    assert f"{spearmanr(first, second).statistic:.4f}" in axes.get_title()
    assert "models: one, two" in axes.get_title()
    assert "rank of log p(x) under one\n(of 70 images" in axes.get_xlabel()
    assert "rank of log p(x) under two" in axes.get_ylabel()


def test_every_set_has_its_colour_size_and_coefficient() -> None:
    models = {"one": of_model("one"), "two": of_model("two", noise=2)}
    (axes,) = make_figure(ranking(models)).axes
    for place, label in enumerate(legend(axes)):
        values = [models[name][place].value("log_prob") for name in ("one", "two")]
        name, rows = ((IN, 40), (OUT, 30))[place]
        assert label == f"{name} test, n = {rows}, \N{GREEK SMALL LETTER RHO} = {spearmanr(*values)[0]:.4f}"
    assert len({tuple(colour) for colour in np.asarray(axes.collections[0].get_facecolor())}) == 2


def test_groups_of_images_are_called_so() -> None:
    models = {name: of_model(name, group_size=5) for name in ("one", "two")}
    (axes,) = make_figure(ranking(models)).axes
    assert "of 70 groups of 5 images" in axes.get_xlabel()


def test_what_is_not_finite_under_one_model_is_left_out_and_counted() -> None:
    broken = of_model("two", noise=1)
    values = broken[0].value("log_prob").copy()
    values[[3, 7]] = np.nan, -np.inf
    broken[0] = Statistics({"log_prob": values}, broken[0].index, broken[0].meta)
    found = ranking({"one": of_model("one"), "two": broken})
    assert found.nonfinite == 2
    assert len(found.place) == 68
    assert "2 left out: log p(x) is not finite" in make_figure(found).axes[0].get_title()


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (lambda: of_model("two", bits=None), "differ in likelihood"),
        (lambda: of_model("two", group_size=5), "group_size is 1 and 5"),
        (lambda: of_model("two", dataset_sha256="others"), "must be of the same images"),
        (lambda: of_model("one"), "are of the same model"),
        (lambda: of_model("two")[:1], "the same image sets"),
    ],
)
def test_what_cannot_be_compared_is_refused(others: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranking({"one": of_model("one"), "two": others()})  # type: ignore[operator]


def test_one_model_or_one_set_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two models"):
        ranking({"one": of_model("one")})
    twice = {name: [of_model(name)[0]] * 2 for name in ("one", "two")}
    with pytest.raises(ValueError, match="shown once"):
        ranking(twice)


def test_numbers_of_every_image_and_every_coefficient_are_saved(tmp_path: Path) -> None:
    found = ranking({"one": of_model("one"), "two": of_model("two", noise=1)})
    files = save(found, tmp_path / "figure")
    assert [file.suffix for file in files] == [".pdf", ".png", ".csv", ".csv"]
    with files[2].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rank two"]) for row in rows] == list(found.ranks("two"))
    assert [row["set"] for row in rows] == ["cifar10 test"] * 40 + ["svhn test"] * 30
    with files[3].open(newline="") as file:
        assert [row["set"] for row in csv.DictReader(file)] == [IN, OUT, "(all)"]


def test_command_compares_runs_and_names_those_of_the_same_folder_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tmp_path / name / "run" for name in ("a", "b")]
    for place, run in enumerate(runs):
        write_config(run, {})  # of weights that it does not know, so any statistics are its own
        for statistics in of_model(str(run), noise=place):
            keep(statistics, run)
    sets = ["--in-distribution", IN, "--out-of-distribution", OUT, "--output", str(tmp_path / "figure")]
    main(["--run", str(runs[0]), "--others", str(runs[1]), *sets])
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert "a/run,b/run,cifar10," in (tmp_path / "figure-coefficients.csv").read_text()
    with pytest.raises(ValueError, match="at least two models"):
        main(["--run", str(runs[0]), *sets])


def of_model(
    name: str, *, flip: bool = False, noise: float = 0, bits: float | None = 4.0, **meta: object
) -> list[Statistics]:
    """Return likelihoods of two sets, 40 and 30 images, which grow, or fall, with those of other models."""
    random = np.random.default_rng(len(name))
    found = []
    for dataset, rows in ((IN, 40), (OUT, 30)):
        statistics = likelihood(
            dataset, rows, bits=bits or 4.0, checkpoint_sha256=f"{name:0<64}", model=name, **meta
        )
        values = statistics.value("log_prob") + random.normal(0, 1, rows) * noise * 10
        values = np.zeros(rows) if bits is None else values
        found.append(Statistics({"log_prob": -values if flip else values}, statistics.index, statistics.meta))
    return found


def rank(values: np.ndarray) -> list[float]:
    return [float(np.count_nonzero(values <= value)) for value in values]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]
