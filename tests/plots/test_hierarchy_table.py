"""The first paper's table: every cell is the AUROC that `evaluate` finds, and an empty one has a reason."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_methods.evaluation import evaluate
from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import Source, SourceStatistics, complexity_by, likelihoods
from anomaly_methods.statistics import Statistics
from invglow.run_config import write_config
from plots.hierarchy_table import hierarchy_rows, main, make_table, training_of
from plots.written_table import WrittenTable
from tests.plots.examples import keep, likelihood

IN, OUT, FAR = "cifar10", "svhn", "celeba"
METHODS = ("raw_likelihood", "last_scale", "likelihood_ratio", "last_scale_ratio", "complexity_ratio")
GENERAL: Mapping[str, Any] = {"checkpoint_sha256": "1" * 64, "model": "wide"}


def test_every_cell_is_the_auroc_of_its_method() -> None:
    inside, *outside = (sources(name, bits) for name, bits in ((IN, 4.0), (OUT, 3.95), (FAR, 4.05)))
    table = make_table(hierarchy_rows("run", "plain", inside, outside))
    methods = [get_method(name) for name in METHODS]
    expected = evaluate(methods, inside, outside)
    assert texts(table) == [
        ["run", "plain", name]
        + [shown(row.separation) for row in expected if row.out_of_distribution == name]
        for name in (OUT, FAR)
    ]
    assert [entry["auroc"] for entry in table.entries if entry["out_of_distribution"] == FAR] == [
        row.separation.auroc for row in expected if row.out_of_distribution == FAR
    ]
    assert table.header[3:] == [
        "raw",
        "last scale",
        "ratio to general",
        "ratio of last scale",
        "ratio to PNG",
    ]


def test_caption_says_sets_sizes_bound_and_general_model() -> None:
    inside, outside = sources(IN, 4.0, group_size=5), sources(OUT, 3.9, group_size=5)
    caption = make_table(hierarchy_rows("run", "plain", inside, [outside])).caption
    assert "against cifar10, groups of 5 images: 40 in, 40 out." in caption
    assert "Likelihoods: exact." in caption
    assert "General model of the ratios: wide." in caption
    other = replace(inside[Source("general", "likelihood")].meta, model="other", checkpoint_sha256="2" * 64)
    changed = [with_general(one, other) for one in (inside, outside)]
    rows = [
        *hierarchy_rows("run", "plain", inside, [outside]),
        *hierarchy_rows("second", "plain", changed[0], changed[1:]),
    ]
    assert "ratios: wide of run, other of second." in make_table(rows).caption


def test_what_a_model_does_not_allow_is_an_empty_cell() -> None:
    plain = [likelihoods(no_scales(likelihood(name))) for name in (IN, OUT)]
    (row,) = texts(make_table(hierarchy_rows("run", "plain", plain[0], plain[1:])))
    assert [bool(cell) for cell in row[3:]] == [True, False, False, False, False]


def test_a_model_that_allows_no_method_is_refused_not_left_out() -> None:
    plain = [likelihoods(no_scales(likelihood(name))) for name in (IN, OUT)]
    with pytest.raises(ValueError, match=r"run cannot be in the table: .*last_scale"):
        hierarchy_rows("run", "plain", plain[0], plain[1:], methods=("last_scale",))


def test_scores_that_are_not_finite_are_counted_as_anomalous() -> None:
    inside, outside = likelihood(IN, bits=3.0), likelihood(OUT, bits=4.0)
    values = outside.value("log_prob").copy()
    values[:3] = np.nan
    broken = Statistics({"log_prob": values}, outside.index, outside.meta)
    table = make_table(hierarchy_rows("run", "plain", likelihoods(no_scales(inside)), [likelihoods(broken)]))
    assert "not finite count as the most anomalous: up to 3 in a cell" in table.caption
    assert texts(table)[0][3].startswith("1.000")


def test_tables_of_different_sets_or_group_sizes_are_refused() -> None:
    alone = hierarchy_rows("a", "plain", sources(IN, 4.0), [sources(OUT, 3.0)])
    groups = hierarchy_rows("b", "plain", sources(IN, 4.0, group_size=5), [sources(OUT, 3.0, group_size=5)])
    others = hierarchy_rows("c", "plain", sources(OUT, 4.0), [sources(IN, 3.0)])
    with pytest.raises(ValueError, match="got cifar10 in groups of 1, cifar10 in groups of 5"):
        make_table([*alone, *groups])
    with pytest.raises(ValueError, match="got cifar10 in groups of 1, svhn in groups of 1"):
        make_table([*alone, *others])
    with pytest.raises(ValueError, match="got none"):
        make_table([])
    with pytest.raises(ValueError, match=r"run cannot be in the table: .*group_size"):
        hierarchy_rows("run", "plain", sources(IN, 4.0), [sources(OUT, 3.0, group_size=5)])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "maximum likelihood"),
        ({"outliers": {"loss": "margin"}}, "margin outlier loss"),
        ({"labels": {"classes": 10}}, "class-conditional"),
        ({"outliers": {"loss": "class"}, "labels": {"classes": 10}}, "class outlier loss, class-conditional"),
        ({"model": {"settings": {"architecture": "local"}}}, "local patches"),
    ],
)
def test_training_is_read_off_the_run(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    write_config(tmp_path, {"model": {"settings": {}}, "outliers": None, "labels": None, **config})
    assert training_of(tmp_path) == words


def test_command_takes_a_general_model_for_each_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, name in enumerate(("plain", "margin", "wide")):
        loss = {"loss": "margin"} if name == "margin" else None
        write_config(tmp_path / name, {"model": {"settings": {}}, "outliers": loss})
        for spec, bits in ((IN, 4.0), (OUT, 3.0)):
            weights = f"{place}" * 64
            keep(likelihood(spec, bits=bits, checkpoint_sha256=weights, model=name), tmp_path / name)
            keep(code_lengths(spec), tmp_path / name)
    runs = [str(tmp_path / name) for name in ("plain", "margin")]
    sets = ["--in-distribution", IN, "--out-of-distribution", OUT, "--output", str(tmp_path / "table")]
    main(["--run", *runs, "--general", str(tmp_path / "wide"), "none", *sets])
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == [
        f"table.{kind}" for kind in ("tex", "md", "csv")
    ]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows if row["run"] == "plain"] == list(METHODS)
    assert [row["method"] for row in rows if row["training"] == "margin outlier loss"] == [
        name for name in METHODS if name not in ("likelihood_ratio", "last_scale_ratio")
    ]
    (tmp_path / "plain" / "statistics").rename(tmp_path / "gone")
    with pytest.raises(
        FileNotFoundError, match=rf"--run {runs[0]} --data {IN} {OUT} --statistics likelihood c"
    ):
        main(["--run", *runs, *sets])
    with pytest.raises(ValueError, match="--general names one run, or one for each of 2"):
        main(["--run", *runs, "--general", *runs, *runs, *sets])
    with pytest.raises(ValueError, match="no method 'likelihood_ration'"):
        main(["--run", *runs, "--method", "likelihood_ration", *sets])


def sources(dataset: str, bits: float, **meta: Any) -> SourceStatistics:
    specific, general = (likelihood(dataset, bits=bits, **{**meta, **more}) for more in ({}, GENERAL))
    found = {name: values * (1 + 0.01 * np.sin(values)) for name, values in general.values.items()}
    both = likelihoods(specific, Statistics(found, general.index, general.meta))
    return {**both, complexity_by("png"): code_lengths(dataset, **meta)}


def code_lengths(dataset: str, **meta: Any) -> Statistics:
    one = likelihood(dataset, bound="none", checkpoint_sha256="none", model="png", **meta)
    lengths = np.linspace(200, 300, len(one))
    return Statistics({"code_length": lengths}, one.index, replace(one.meta, kind="complexity"))


def with_general(found: SourceStatistics, meta: Any) -> SourceStatistics:
    general = found[Source("general", "likelihood")]
    own = replace(meta, dataset=general.meta.dataset, dataset_sha256=general.meta.dataset_sha256)
    return {**found, Source("general", "likelihood"): Statistics(general.values, general.index, own)}


def no_scales(statistics: Statistics) -> Statistics:
    return Statistics({"log_prob": statistics.value("log_prob")}, statistics.index, statistics.meta)


def shown(found: Any) -> str:
    return f"{found.auroc:.3f} ({found.auroc_low:.3f} \N{EN DASH} {found.auroc_high:.3f})"


def texts(table: WrittenTable) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]
