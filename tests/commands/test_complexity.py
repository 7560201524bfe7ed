"""Image codecs and ensembles as references, through `main.py statistics` and `main.py evaluate`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_methods.extractors.codecs import get_codec
from anomaly_methods.statistics import Statistics
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy, newest_results


def command(hierarchy: Hierarchy, *more: str | Path) -> tuple[str | Path, ...]:
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    return ("evaluate", "--run", hierarchy.specific, *sets, *more)


def rows(hierarchy: Hierarchy) -> dict[str, dict[str, Any]]:
    found = json.loads(newest_results(hierarchy.specific).read_text())
    return {row["method"]: row for row in found}


def forbid_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        raise AssertionError("code lengths need no model")

    monkeypatch.setattr(Glow, "scale_terms", called)
    monkeypatch.setattr("models.registry.load_model", called)


def test_code_lengths_are_computed_without_the_model(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_the_model(monkeypatch)
    command = ("statistics", "--run", copied.specific, "--data", copied.outside)
    kinds = ("--statistics", "complexity", "complexity_webp", "--noise-draws", "3")
    outcome = call(*command, *kinds)
    assert outcome.code == 0
    png, webp = (Statistics.load(path) for path in sorted((copied.specific / "statistics").glob("*.npz")))
    pixels = np.load(copied.outside.removeprefix("array:"))
    sizes = np.array([len(get_codec("png").encode(image)) for image in pixels])
    np.testing.assert_allclose(png.value("code_length"), sizes * 8 * math.log(2))
    assert (png.meta.kind, webp.meta.kind, png.meta.noise_draws) == ("complexity", "complexity_webp", 0)
    assert f"10 images, {sizes.mean() / 24:.3f} bits/dim as png" in outcome.out
    assert "bits/dim as webp" in outcome.out


def test_the_table_holds_the_ratio_to_png_unasked(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied))
    assert outcome.code == 0
    row = rows(copied)["complexity_ratio"]
    assert (row["bound"], row["general_model"], row["model"]) == ("exact", "", "specific")
    assert "waic" not in rows(copied)
    assert "name them with --method: complexity_ratio_webp, complexity_ratio_jpeg2000" in outcome.out
    assert len(list((copied.specific / "statistics").glob("*-complexity.npz"))) == 2


def test_the_score_is_that_of_the_files_on_disk(copied: Hierarchy, call: Call) -> None:
    assert call(*command(copied, "--method", "complexity_ratio_webp", "--nonfinite", "raise")).code == 0
    folder = copied.specific / "statistics"

    def score(name: str) -> Any:
        likelihood, lengths = (
            Statistics.load(next(folder.glob(f"*{name}*-{kind}.npz")))
            for kind in ("likelihood", "complexity_webp")
        )
        return -likelihood.value("log_prob") - lengths.value("code_length")

    inside, outside = score("inside"), score("outside")
    area = (outside[None] > inside[:, None]).mean() + (outside[None] == inside[:, None]).mean() / 2
    assert rows(copied)["complexity_ratio_webp"]["auroc"] == pytest.approx(area)


def test_a_codec_that_is_not_installed_is_one_sentence(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    outcome = call(*command(copied, "--method", "complexity_ratio_jpeg_ls"))
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(
        "error: JPEG-LS needs the package imagecodecs: pip install"
    )


def test_several_runs_make_an_ensemble(copied: Hierarchy, call: Call) -> None:
    others = ("--ensemble", copied.general, copied.specific / "general")
    outcome = call(*command(copied, *others))
    assert outcome.code == 0
    found = rows(copied)["waic"]
    assert found["model"] == "specific + general + specific/general"
    files = [
        next((run / "statistics").glob("*outside*-likelihood.npz"))
        for run in (copied.specific, copied.general, copied.specific / "general")
    ]
    assert len({Statistics.load(file).meta.checkpoint_sha256 for file in files}) == 3
    alone = call(*command(copied, *others, "--method", "waic"))
    assert alone.code == 0
    assert rows(copied) == {"waic": found}


def test_ensembles_that_are_none_are_refused(copied: Hierarchy, call: Call) -> None:
    sentence = call(*command(copied, "--method", "waic")).refusal()
    assert sentence == "Method waic compares several runs: name the others with --ensemble RUN [RUN ...]."
    assert not (copied.specific / "statistics").exists()
    twice = call(*command(copied, "--ensemble", copied.specific, "--method", "waic"))
    assert twice.code == 2
    assert "'specific' and 'specific' have the same weights" in twice.err
    missing = call(*command(copied, "--ensemble", copied.folder / "nowhere"))
    assert missing.code == 2
    assert "nowhere" in missing.err.splitlines()[-1]
