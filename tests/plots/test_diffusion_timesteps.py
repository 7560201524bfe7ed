"""AUROC against the timestep of a diffusion model's loss, from saved statistics."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.metrics import auroc
from anomaly_methods.stored import Selection
from plots.diffusion_timestep_performance_comparison import (
    TIMESTEPS,
    Performance,
    main,
    make_figure,
    timesteps_of,
)
from plots.paper_request import PaperModel
from tests.anomaly_methods.examples import make_statistics


def saved_run(folder: Path, timesteps: Sequence[int], family: str = "diffusion") -> Path:
    """Write a run whose out-of-distribution set is the less likely, the greater the timestep."""
    run = folder / "run"
    run.mkdir()
    config = {"format_version": 1, "model": {"family": family, "settings": {"timesteps": 50}}}
    (run / "config.json").write_text(json.dumps(config))
    for timestep in timesteps:
        settings = {"evaluation": "timestep", "timestep": timestep}
        for name in ("cats", "dogs"):
            rng = np.random.default_rng(timestep)
            log_prob = rng.normal(size=60) - (0.1 * timestep if name == "dogs" else 0)
            statistics = make_statistics(log_prob, dataset=name, bound="surrogate", model="run")
            statistics.save(Selection(evaluation=settings).path(run, name, "likelihood"))
    return run


def call(run: Path, *words: str, family: str = "diffusion", others: str = "dogs") -> None:
    common = ["--id_datasets", "cats", "--datasets", others, "--anomaly_detection", "raw_likelihood"]
    main([family, str(run), *common, "--output", str(run / "f"), *words])


def test_it_measures_the_statistics_of_every_timestep(tmp_path: Path) -> None:
    run = saved_run(tmp_path, (1, 8, 32))
    call(run, "--timesteps", "32", "1", "8")
    with (run / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["timestep"]) for row in rows] == [1, 8, 32]
    for row in rows:
        noise = np.random.default_rng(int(row["timestep"])).normal(size=60)
        expected = auroc(-noise, -(noise - 0.1 * int(row["timestep"])))
        assert float(row["auroc"]) == expected
        assert float(row["auroc_low"]) <= expected <= float(row["auroc_high"])
    assert (rows[0]["rows_in"], rows[0]["rows_out"], rows[0]["group_size"]) == ("60", "60", "1")
    assert (run / "f.pdf").exists()


def test_missing_timesteps_are_listed_with_a_command(tmp_path: Path) -> None:
    run = saved_run(tmp_path, (1,))
    with pytest.raises(FileNotFoundError) as error:
        call(run, "--timesteps", "1", "2", "4")
    assert "For timesteps 2, 4." in str(error.value)
    assert "--evaluation-setting evaluation=timestep timestep=2" in str(error.value)


def test_a_single_timestep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name them with --timesteps"):
        call(saved_run(tmp_path, (1,)), "--timestep", "1")


def test_the_papers_timesteps_are_taken_as_far_as_the_model_has_them(tmp_path: Path) -> None:
    model = PaperModel(saved_run(tmp_path, ()), "cats", "run")
    assert timesteps_of(model, None) == [1, 2, 4, 8, 16, 32]
    assert timesteps_of(model, [9, 3, 9]) == [3, 9]
    assert TIMESTEPS[-2:] == (512, 999)
    for wrong in (0, 51):
        with pytest.raises(ValueError, match=f"must be from 1 to 50, got {wrong}"):
            timesteps_of(model, [wrong])


def performance(**changes: object) -> Performance:
    fields: dict[str, object] = {
        "model": "mine",
        "method": "typicality",
        "inside": "cats test",
        "outside": "dogs test",
        "timestep": 4,
        "auroc": 0.7,
        "low": 0.6,
        "high": 0.75,
        "rows": (30, 60),
        "group_size": 5,
        "nonfinite": 0,
    }
    return Performance(**{**fields, **changes})  # type: ignore[arg-type]  # fields of several types


def test_a_panel_for_each_method_and_a_line_for_each_set() -> None:
    found = [
        performance(method=method, outside=outside, timestep=timestep, nonfinite=timestep // 16)
        for method in ("typicality", "raw_likelihood")
        for outside in ("dogs test", "birds test")
        for timestep in (1, 16)
    ]
    figure = make_figure(found)
    assert len(figure.axes) == 2
    for axis, method in zip(figure.axes, ("typicality", "raw_likelihood"), strict=True):
        assert axis.get_title() == f"{method}\nmodel: mine, group size 5\nin: cats test, n = 30"
        assert len(axis.containers) == 2
        assert axis.get_xscale() == "log"
        assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "16"]
        legend = axis.get_legend()
        assert legend is not None
        assert legend.get_texts()[0].get_text() == "dogs test (out), n = 60, 1 scores not finite"
    colours = {container.lines[0].get_color() for container in figure.axes[0].containers}  # type: ignore[attr-defined]
    assert len(colours) == 2


def test_a_run_of_another_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="family glow, not diffusion"):
        call(saved_run(tmp_path, (), family="glow"))


def test_a_model_without_timesteps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Timesteps are those of a diffusion model, .* of the family glow"):
        call(saved_run(tmp_path, (), family="glow"), family="glow")


def test_a_set_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name a set to tell it apart from"):
        call(saved_run(tmp_path, (1,)), "--timesteps", "1", others="cats")
