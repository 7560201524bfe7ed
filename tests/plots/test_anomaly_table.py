"""Tables of AUROC: every pair in its place, mean and quartiles over pairs, the better of two in bold."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from plots.anomaly_table import make_tables, tables
from plots.anomaly_table.compare_methods import main, make_table
from tests.plots.examples import gradients, keep, likelihood, make_run
from tests.plots.scored import scored

ONE = [
    scored("a", "typicality", "cifar10", {"svhn": 0.75, "celeba": 1.0}),
    scored("b", "typicality", "svhn", {"cifar10": 0.5, "celeba": 0.25}),
]
OTHER = [
    scored("a", "waic", "cifar10", {"svhn": 0.8, "celeba": 1.0}),
    scored("b", "waic", "svhn", {"cifar10": 0.45, "celeba": 0.2}),
]


def test_every_pair_stands_in_its_place() -> None:
    table, summary = make_tables([*ONE, *OTHER])
    assert table.header == ["method", "model", "trained on", "cifar10", "svhn", "celeba"]
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0] == ["typicality", "a", "cifar10", "", "0.750", "1.000"]
    assert texts[1] == ["typicality", "b", "svhn", "0.500", "", "0.250"]
    assert len(texts) == 4
    assert (
        table.caption
        == "AUROC of models a, b; 10 to 20 groups of 5 images of each set (test); log p is exact."
    )
    assert [entry["auroc"] for entry in table.entries[:2]] == [0.75, 1.0]
    first = table.entries[0]
    assert first["auroc_low"] < 0.75 < first["auroc_high"]
    assert [cell.text for cell in summary.rows[0]] == ["typicality", "4", "0.625", "0.438", "0.625", "0.812"]
    assert summary.entries[0]["upper quartile"] == np.quantile([0.75, 1, 0.5, 0.25], 0.75)


def test_the_better_of_two_is_bold_and_equal_ones_both_are() -> None:
    table = make_table([ONE[0], OTHER[0]])
    assert table.header == ["model", "trained on", "against", "typicality", "waic"]
    bold = [[cell.bold for cell in row[3:]] for row in table.rows]
    assert bold == [[False, True], [True, True], [False, True], [False, True], [False, True], [False, True]]
    assert [row[0].text for row in table.rows[2:4]] == ["mean over 2 pairs", "lower quartile over 2 pairs"]
    assert [cell.text for cell in table.rows[2][3:]] == ["0.875", "0.900"]
    single = make_table([scored("a", name, "cifar10", {"svhn": 0.5}) for name in ("typicality", "waic")])
    assert single.rows[1][0].text == "mean over 1 pair"


def test_tables_that_would_mislead_are_refused() -> None:
    with pytest.raises(ValueError, match="Two different methods are compared, got 1"):
        make_table(ONE)
    with pytest.raises(ValueError, match="Two rows of the table would be called a typicality cifar10"):
        make_tables([ONE[0], ONE[0]])


def test_scores_that_are_not_finite_are_said() -> None:
    table, _ = make_tables([scored("a", "typicality", "cifar10", {"svhn": 0.5}, extra=[np.nan, np.inf])])
    assert table.caption.endswith("2 scores that are not finite count as the most anomalous.")


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    run = make_run(tmp_path / "run")
    for name, bits in (("cifar10", 4.0), ("svhn", 3.0)):
        keep(likelihood(name, bits=bits), run)
        keep(gradients(name, shift=4 - bits), run)
    words = ["glow", "run", "--id_datasets", "cifar10", "--datasets", "svhn", "--anomaly_detection"]
    tables.main([*words, "likelihoods", "--output", str(tmp_path / "table")])
    with (tmp_path / "table-summary.csv").open() as text:
        (row,) = csv.DictReader(text)
    assert (row["method"], row["pairs"], row["mean"]) == ("raw_likelihood", "1", "0.0")
    methods = ["gradients_L2_norms_gaussian", "likelihoods"]
    main([*words, *methods, "--output", str(tmp_path / "compared")])
    assert r"\textbf{" in (tmp_path / "compared.tex").read_text()
    assert "| run | cifar10 | svhn | **" in (tmp_path / "compared.md").read_text()
