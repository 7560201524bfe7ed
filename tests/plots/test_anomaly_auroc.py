"""ROC curves: their area is the AUROC that the legend says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from plots.anomaly_AUROC import HEADER, main, make_figure, table
from plots.style import COLOURS
from tests.plots.examples import keep, likelihood, make_run
from tests.plots.scored import scored


def test_one_method_has_a_panel_per_model_and_a_curve_per_set() -> None:
    both = [
        scored("a", "typicality", "cifar10", {"svhn": 0.75, "celeba": 1.0}),
        scored("b", "typicality", "svhn", {"cifar10": 0.5}, extra=[np.nan]),
    ]
    figure = make_figure(both)
    first, second = (axis for axis in figure.axes if axis.axison)
    assert [axis.get_title() for axis in (first, second)] == ["model a, in: cifar10", "model b, in: svhn"]
    diagonal, svhn, celeba = first.lines
    assert (svhn.get_label(), celeba.get_label()) == ("svhn 0.750", "celeba 1.000")
    assert svhn.get_color() == COLOURS["vermilion"]
    assert svhn.get_linestyle() != celeba.get_linestyle()
    for line, area in ((diagonal, 0.5), (svhn, 0.75), (celeba, 1.0)):
        assert np.trapezoid(
            np.asarray(line.get_ydata()), np.asarray(line.get_xdata())
        ) / 1e4 == pytest.approx(area)
    assert "flagged (%)" in first.get_xlabel()
    title = figure.get_suptitle().replace("\n", " ")
    assert title.startswith("models a, b: typicality 10 to 21 groups of 5 images of each set (test)")
    assert "1 scores that are not finite" in title


def test_the_title_breaks_no_name_that_a_line_holds() -> None:
    model = f"glow{5 * '-glow'}"
    assert model in make_figure([scored(model, "typicality", "cifar10", {"svhn": 0.75})]).get_suptitle()


def test_the_title_stays_inside_the_figure() -> None:
    methods = ("typicality", "gradients_L2_norms_gaussian")
    figure = make_figure([scored("cifar10", name, "cifar10", {"svhn": 0.7}) for name in methods])
    figure.draw_without_rendering()
    (title,) = (text for text in figure.texts if "groups of 5" in text.get_text())
    box = title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_several_methods_have_a_panel_per_pair_and_a_curve_each() -> None:
    methods = [scored("a", name, "cifar10", {"svhn": 0.7, "celeba": 0.9}) for name in ("typicality", "waic")]
    axes = [axis for axis in make_figure(methods).axes if axis.axison]
    assert [axis.get_title() for axis in axes] == [
        "model a, cifar10 against svhn",
        "model a, cifar10 against celeba",
    ]
    assert [line.get_label() for line in axes[0].lines[1:]] == ["typicality 0.700", "waic 0.700"]


def test_curves_of_many_images_keep_their_ends() -> None:
    many = scored("a", "typicality", "cifar10", {"svhn": 0.5})
    random = np.random.default_rng(0)
    many.sets["svhn"][:] = random.normal(5, 1, 20)
    wide = type(many)(many.model, many.method, {n: random.normal(size=3000) for n in many.sets}, many.meta)
    rows = [dict(zip(HEADER, row, strict=True)) for row in table([wide])]
    assert len(rows) == 400
    assert (rows[0]["false_positive_rate"], rows[-1]["true_positive_rate"]) == (0, 1)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    run = make_run(tmp_path / "run")
    for name, bits in (("cifar10", 4.0), ("svhn", 3.0)):
        keep(likelihood(name, bits=bits), run)
    sets = ["--id_datasets", "cifar10", "--datasets", "svhn"]
    output = ["--output", str(tmp_path / "roc")]
    main(["glow", "run", *sets, "--anomaly_detection", "likelihoods", "typicality", *output])
    with (tmp_path / "roc.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert {(row["method"], round(float(row["auroc"]), 6)) for row in rows} == {
        ("raw_likelihood", 0.0),
        ("typicality", 1.0),
    }
    assert (tmp_path / "roc.pdf").is_file()
