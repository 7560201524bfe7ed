"""Training curves: every recorded number in the table, what an axis hides counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from invglow.run_config import write_config
from plots.training_curves import main, make_figure, save
from plots.training_metrics import read_training_metrics


def test_curves_are_those_of_the_file(tmp_path: Path) -> None:
    fit, aurocs = make_figure([read_training_metrics(record(tmp_path / "run"))]).axes
    lines = {str(line.get_label()): line for line in fit.get_lines()}
    assert list(lines) == ["training batches of 16", "training images", "cifar10 test", "svhn test"]
    assert x_of(lines["cifar10 test"]) == [20, 40]
    assert y_of(lines["cifar10 test"]) == [3.3, 3.1]
    assert x_of(lines["training batches of 16"]) == [10, 20, 30, 40]
    assert fit.get_ylabel() == "bits per dimension"
    assert fit.get_title() == "Fit of run, trained on cifar10"
    ratio, raw, chance = aurocs.get_lines()
    assert (ratio.get_label(), y_of(ratio)) == ("svhn, likelihood ratio to the base", [0.8, 0.9])
    assert (raw.get_label(), y_of(raw)) == ("svhn, raw likelihood", [0.1, 0.05])
    assert ratio.get_linestyle() != raw.get_linestyle()
    assert ratio.get_color() == raw.get_color() == lines["svhn test"].get_color()
    assert y_of(chance) == [0.5, 0.5]
    assert aurocs.get_ylabel() == "AUROC"
    assert aurocs.get_xlabel() == fit.get_xlabel() == "optimizer step"


def test_runs_share_limits_but_not_steps(tmp_path: Path) -> None:
    short = record(tmp_path / "short", dataset="svhn")
    long = record(tmp_path / "long", every=100, shift=5.0)
    axes = make_figure([read_training_metrics(run) for run in (short, long)]).axes
    assert axes[0].get_ylim() == axes[2].get_ylim()
    low, high = axes[0].get_ylim()
    assert low < 3.1
    assert high > 8.3
    assert (axes[0].get_xlim()[1], axes[2].get_xlim()[1]) == pytest.approx((40.8, 408))
    assert axes[0].get_lines()[0].get_color() != axes[2].get_lines()[0].get_color()


def test_the_first_wild_batches_are_counted_not_shown(tmp_path: Path) -> None:
    batches = [1e6, None, *(3.0 + 0.001 * step for step in range(98))]
    lines = [{"step": step, "bits_per_dim/batch": value} for step, value in enumerate(batches, start=1)]
    run = record(tmp_path / "run", lines=lines)
    (axes,) = make_figure([read_training_metrics(run)]).axes
    low, high = axes.get_ylim()
    hidden = sum(value is None or not low <= value <= high for value in batches)
    assert hidden >= 2
    assert high < 4
    assert legend(axes) == [f"training batches of 16, {hidden} of 100 not shown"]


def test_a_run_without_aurocs_says_how_to_record_them(tmp_path: Path) -> None:
    plain = record(tmp_path / "plain", lines=[{"step": 5, "bits_per_dim/test": 3.0}])
    metrics = read_training_metrics(plain)
    assert len(make_figure([metrics]).axes) == 1
    axes = make_figure([metrics, read_training_metrics(record(tmp_path / "other"))]).axes
    assert "--evaluate-on SET" in axes[1].texts[0].get_text()


def test_a_surrogate_is_not_taken_for_bits(tmp_path: Path) -> None:
    run = record(tmp_path / "run", lines=[{"step": 5, "loss": 3.0}, {"step": 5, "surrogate/test": -2.0}])
    (axes,) = make_figure([read_training_metrics(run)]).axes
    assert axes.get_ylabel() == "mean surrogate of log p(x) (nats)"
    assert y_of(axes.get_lines()[0]) == [-2.0]


def test_a_bound_is_called_one_and_drawn_on_the_scale_of_others(tmp_path: Path) -> None:
    runs = [record(tmp_path / "flow"), record(tmp_path / "vae", family="vae", shift=5.0)]
    exact, _, bound, _ = make_figure([read_training_metrics(run) for run in runs]).axes
    assert exact.get_ylabel() == "bits per dimension"
    assert bound.get_ylabel() == "bits per dimension\n(upper bound, ELBO)"
    assert exact.get_ylim() == bound.get_ylim()


def test_a_surrogate_of_a_family_with_a_bound_is_no_bound(tmp_path: Path) -> None:
    run = record(tmp_path / "run", family="diffusion", lines=[{"step": 5, "surrogate/test": -2.0}])
    (axes,) = make_figure([read_training_metrics(run)]).axes
    assert axes.get_ylabel() == "mean surrogate of log p(x) (nats)"


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    run = record(tmp_path / "run")
    whole = read_training_metrics(run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 50, "bits_per_')
    assert list(read_training_metrics(run).curves) == list(whole.curves)
    with (run / "metrics.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(ValueError, match=r"Line 7 of .*metrics.jsonl holds no metrics"):
        read_training_metrics(run)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no metrics yet"),
        ([{"step": 1, "loss": 2.0}], "recorded no bits per dimension"),
        ([{"step": 1, "bits_per_dim/test": None}], "All values .* are NaN or infinite"),
        ([{"loss": 2.0}], "Line 1 of"),
        ([[1]], "Line 1 of"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, lines: Sequence[object], message: str) -> None:
    run = record(tmp_path / "run", lines=lines)
    with pytest.raises(ValueError, match=message):
        make_figure([read_training_metrics(run)])


def test_all_numbers_are_saved(tmp_path: Path) -> None:
    run = record(tmp_path / "run")
    *_, table = save([read_training_metrics(run, "a/run")], tmp_path / "figure")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 + 3 * 2 + 2 * 2
    assert {row["run"] for row in rows} == {"a/run"}
    aurocs = [row["value"] for row in rows if (row["quantity"], row["set"]) == ("auroc_raw", "svhn")]
    assert aurocs == ["0.1", "0.05"]


def test_command_refuses_what_is_no_run_and_a_run_named_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, output = record(tmp_path / "run"), ["--output", str(tmp_path / "figure")]
    main(["--run", str(run), *output])
    assert len(capsys.readouterr().out.splitlines()) == 3
    with pytest.raises(ValueError, match="shown once"):
        main(["--run", str(run), f"{run}/", *output])
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        main(["--run", str(tmp_path), *output])
    (run / "metrics.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"main.py train writes it"):
        main(["--run", str(run), *output])


def record(
    run: Path,
    *,
    dataset: str = "array:/data/cifar10",
    every: int = 10,
    shift: float = 0.0,
    family: str = "glow",
    lines: Sequence[object] | None = None,
) -> Path:
    """Make a run that has recorded four batches and two evaluations, or these lines."""
    sections = {"data": {"name": dataset}, "training": {"batch_size": 16}, "model": {"family": family}}
    write_config(run, sections)
    found: list[object] = [{"step": every * k, "bits_per_dim/batch": 3.5 + shift} for k in (1, 2, 3, 4)]
    for place, (bits, ratio, raw) in enumerate(((3.3, 0.8, 0.1), (3.1, 0.9, 0.05)), start=1):
        evaluation = {f"bits_per_dim/{name}": bits + shift for name in ("train", "test", "svhn")}
        aurocs = {"auroc/svhn": ratio, "auroc_raw/svhn": raw}
        found.insert(3 * place - 1, {"step": 2 * every * place, **evaluation, **aurocs})
    text = "".join(json.dumps(line) + "\n" for line in (found if lines is None else lines))
    (run / "metrics.jsonl").write_text(text)
    return run


def x_of(line: Line2D) -> list[float]:
    return [float(value) for value in np.asarray(line.get_xdata())]


def y_of(line: Line2D) -> list[float]:
    return [float(value) for value in np.asarray(line.get_ydata())]


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]
