"""The correlation of gradient norms of layers by their distance."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly_methods.statistics import Statistics
from plots.statistic_autocorrelation import autocorrelation, main, make_figure, table
from tests.anomaly_methods.examples import make_statistics

LAYERS = 6


def chain(groups: int = 500, share: float = 0.9, seed: int = 0) -> NDArray[np.float64]:
    """Return log-norms of layers, each `share` of the one before and the rest new: corr = share^distance."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(size=groups)]
    for _ in range(LAYERS - 1):
        columns.append(share * columns[-1] + np.sqrt(1 - share**2) * rng.normal(size=groups))
    return np.stack(columns)


def statistics(logs: NDArray[np.float64], **changes: object) -> Statistics:
    values = {f"layer{number}": np.exp(one) for number, one in enumerate(logs)}
    return make_statistics(values, **{"kind": "gradients", **changes})


def test_correlations_of_a_chain_fall_as_powers_of_the_distance() -> None:
    found = autocorrelation(statistics(chain(20000)))
    medians = found.quartiles()[1]
    np.testing.assert_allclose(medians, 0.9 ** np.arange(1, LAYERS), atol=0.02)


def test_quartiles_are_those_of_all_pairs_at_a_distance() -> None:
    logs = chain(40)
    found = autocorrelation(statistics(logs))
    for distance in range(1, LAYERS):
        pairs = [float(np.corrcoef(logs[i], logs[i + distance])[0, 1]) for i in range(LAYERS - distance)]
        expected = np.quantile(pairs, (0.25, 0.5, 0.75))
        np.testing.assert_allclose(found.quartiles()[:, distance - 1], expected, rtol=1e-9)


def test_layers_without_variation_and_broken_rows_are_left_out_and_said() -> None:
    logs = chain(50)
    logs[1] = 0.0
    logs[2, 3], logs[4, 7] = -np.inf, np.nan  # a norm of zero; a norm that is not a number
    found = autocorrelation(statistics(logs))
    assert (found.layers, found.silent, found.nonfinite, found.groups) == (LAYERS - 2, 2, 1, 49)
    assert found.left_out == "2 layers without variation, 1 rows not finite"
    (legend,) = (axis.get_legend() for axis in make_figure([[found]]).axes)
    assert legend is not None
    said = legend.get_texts()[0].get_text().replace("\n", " ")
    assert "(2 layers without variation, 1 rows not finite left out)" in said


@pytest.mark.parametrize("logs", [chain(2), np.zeros((LAYERS, 50)), chain(50)[:2]])
def test_too_little_is_refused(logs: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="need at least 3 rows and 3 layers"):
        autocorrelation(statistics(logs))


def test_a_panel_for_each_model_and_a_line_and_a_band_for_each_set() -> None:
    sets = [
        autocorrelation(statistics(chain(seed=n), dataset=name)) for n, name in enumerate(("cats", "dogs"))
    ]
    figure = make_figure([sets, sets[:1]])
    for axis, count in zip(figure.axes, (2, 1), strict=True):
        assert len(axis.collections) == count
        assert len(axis.lines) == count + 1  # and zero
        np.testing.assert_allclose(np.asarray(axis.lines[0].get_ydata(), float), sets[0].quartiles()[1])
        assert "log f" in axis.get_ylabel()
        assert "parameter tensors" in axis.get_xlabel()
        assert "6 layers, group size 1" in axis.get_title()
        low, high = axis.get_ylim()
        assert low < sets[0].quartiles().min() < sets[0].quartiles().max() < high


def test_the_table_has_a_row_for_each_distance() -> None:
    found = autocorrelation(statistics(chain()))
    rows = list(table([[found]]))
    assert [row[2:4] for row in rows] == [(distance, LAYERS - distance) for distance in range(1, LAYERS)]
    assert [row[5] for row in rows] == found.quartiles()[1].tolist()


def saved_run(folder: Path, sets: Sequence[str]) -> Path:
    run = folder / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"format_version": 1, "model": {"family": "glow"}}))
    for name in sets:
        statistics(chain(), dataset=name).save(run / "statistics" / f"{name}-test-gradients.npz")
    return run


def test_the_command_reads_what_a_run_holds(tmp_path: Path) -> None:
    run = saved_run(tmp_path, ("cats", "dogs"))
    words = ["glow", str(run), "--id_datasets", "cats", "--datasets", "dogs", "--output", str(tmp_path / "f")]
    main(words)
    with (tmp_path / "f.csv").open() as file:
        assert {row["set"] for row in csv.DictReader(file)} == {"cats test", "dogs test"}
    assert (tmp_path / "f.pdf").exists()
    with pytest.raises(FileNotFoundError, match="--data birds --statistics gradients"):
        main([*words, "--datasets", "birds"])
