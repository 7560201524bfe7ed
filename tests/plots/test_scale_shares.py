"""Shares of scales: bits that add up to those of the image, means in nats, what is hidden counted."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from plots.scale_shares import main, make_figure, save, shares_of
from tests.plots.examples import keep, likelihood, make_run

IN, OUT, FAR = "cifar10", "svhn", "celeba"


def test_shares_of_all_scales_and_eight_bits_are_the_bits_of_the_image() -> None:
    sets = [likelihood(IN), likelihood(OUT, bits=3.0)]
    panels = shares_of(sets).panels
    total = 8 + sum(panel.in_distribution[1] for panel in panels)
    np.testing.assert_allclose(total, 8 - sets[0].value("log_prob") / (192 * math.log(2)))
    groups = [likelihood(IN, group_size=5), likelihood(OUT, group_size=5)]
    np.testing.assert_allclose(
        shares_of(groups).panels[0].in_distribution[1], panels[0].in_distribution[1] / 5
    )


def test_each_scale_has_a_panel_that_says_what_it_is() -> None:
    sets = [likelihood(IN), likelihood(OUT, bits=3.0)]
    finest, coarsest, _ = make_figure(shares_of(sets)).axes
    expected = auroc(*(-statistics.value("log_prob.scale0") for statistics in sets))
    assert finest.get_title() == f"Scale 0 (4x4), model: run\nAUROC {expected:.3f}"
    assert coarsest.get_title().startswith("Scale 1 (2x2), model: run")
    assert finest.get_xlabel().replace("\n", " ").startswith("minus share of log p(x), bits per dimension")
    groups = [likelihood(IN, group_size=5), likelihood(OUT, group_size=5)]
    first = make_figure(shares_of(groups)).axes[0]
    assert "groups of 5" in first.get_title()
    assert first.get_ylabel() == "groups of 5 per bin (% of set)"


@pytest.mark.parametrize("group_size", [1, 5])
def test_bars_are_differences_of_means_per_image(group_size: int) -> None:
    sets = [
        likelihood(name, bits=b, group_size=group_size) for name, b in ((IN, 4.0), (OUT, 3.0), (FAR, 5.0))
    ]
    bars = make_figure(shares_of(sets)).axes[-1]
    heights = [[float(bar.get_height()) for bar in container] for container in bars.containers]
    means = [statistics.value("log_prob").mean() / group_size for statistics in sets]
    for found, mean in zip(heights, means[1:], strict=True):
        difference = mean - means[0]
        assert found == pytest.approx([0.7 * difference, 0.3 * difference, difference])
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["0\n(4x4)", "1\n(2x2)", "all"]
    assert "nats per image" in bars.get_ylabel()
    assert [text.get_text() for text in bars.texts] == 2 * ["70 %", "30 %", "100 %"]


def test_a_set_without_finite_rows_is_refused() -> None:
    whole = likelihood(OUT)
    values = {name: np.full(len(whole), np.nan) for name in whole.values}
    with pytest.raises(ValueError, match=rf"The shares of '{OUT}' .* in all {len(whole)} rows"):
        shares_of([likelihood(IN), Statistics(values, whole.index, whole.meta)])


def test_what_is_not_finite_is_counted_and_left_out_of_means() -> None:
    whole = likelihood(OUT, bits=3.0)
    values = {name: array.copy() for name, array in whole.values.items()}
    values["log_prob.scale0"][4] = np.inf
    shares = shares_of([likelihood(IN), Statistics(values, whole.index, whole.meta)])
    axes = make_figure(shares).axes
    assert "svhn test, n = 39 (1 left out: not finite)" in legend(axes[-1])
    assert "svhn test (out), n = 40, 1 not shown" in legend(axes[0])
    assert next(row.n for row in shares.differences if row.dataset == OUT) == 39


def test_equal_values_can_be_drawn() -> None:
    sets = []
    for name in (IN, OUT):
        one = likelihood(name)
        values = {key: np.full(len(one), 2.0) for key in one.values}
        sets.append(Statistics(values, one.index, one.meta))
    bars = make_figure(shares_of(sets)).axes[-1]
    assert [text.get_text() for text in bars.texts] == ["", "", ""]


def test_what_cannot_be_shown_is_refused() -> None:
    one = likelihood(IN)
    plain = [Statistics({"log_prob": s.value("log_prob")}, s.index, s.meta) for s in (one, likelihood(OUT))]
    with pytest.raises(ValueError, match="no scales"):
        shares_of(plain)
    with pytest.raises(ValueError, match="group_size is 1 of"):
        shares_of([one, likelihood(OUT, group_size=5)])
    with pytest.raises(ValueError, match="checkpoint_sha256"):
        shares_of([one, likelihood(OUT, checkpoint_sha256="1" * 64)])
    with pytest.raises(ValueError, match="at least one out-of-distribution set"):
        make_figure(shares_of([one]))


def test_numbers_of_both_kinds_are_saved(tmp_path: Path) -> None:
    files = save(shares_of([likelihood(IN), likelihood(OUT)]), tmp_path / "figure")
    assert [file.name for file in files] == [f"figure.{kind}" for kind in ("pdf", "png", "csv")] + [
        "figure-means.csv"
    ]
    with files[2].open(newline="") as file:
        assert sum(int(row["images"]) for row in csv.DictReader(file)) == 2 * 80
    with files[3].open(newline="") as file:
        assert [row["scale"] for row in csv.DictReader(file)] == ["0", "1", "total"] * 2


def test_command_names_what_is_missing_and_draws_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    words = ["--run", str(run), "--in-distribution", IN, "--out-of-distribution", OUT]
    words += ["--output", str(tmp_path / "figures" / "figure")]
    keep(likelihood(IN), run)
    with pytest.raises(FileNotFoundError, match=f"main.py statistics --run {run} --data {OUT} --statistics"):
        main(words)
    keep(likelihood(OUT), run)
    main(words)
    assert len(capsys.readouterr().out.splitlines()) == 4


def legend(axes: object) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[attr-defined]
