"""Images in a file, the moments of their pixels, and the figures that show them."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from plots import dataset_validation
from plots.image_grid import image_grid
from plots.model_samples.command import draw
from plots.model_samples.grids import make_figure, named_after, table, title
from plots.pictures import Pictures, load_pictures, pixel_counts, save_pictures
from tests.programs import run_module

SAMPLES = {
    "kind": "samples",
    "name": "runs/mine",
    "temperature": 0.7,
    "seed": 3,
    "label": None,
    "nonfinite": 0,
}


def pixels(count: int = 5, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 200, (count, 4, 6, channels), dtype=np.uint8)


def test_moments_are_those_of_all_pixels() -> None:
    images = pixels(50)
    found = Pictures(images).moments()
    for channel, one in enumerate(found):
        values = images[..., channel].astype(float)
        assert one.mean == pytest.approx(values.mean())
        assert one.std == pytest.approx(values.std())
        assert (one.lowest, one.highest) == (values.min(), values.max())


def test_counts_of_a_whole_set_stay_with_some_of_its_images() -> None:
    whole = pixels(40, channels=1)
    found = Pictures(whole[:3], pixel_counts(whole))
    assert found.total == 40
    assert found.moments()[0].mean == pytest.approx(whole.mean())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = save_pictures(tmp_path / "s.npz", Pictures(pixels(), about=SAMPLES))
    found = load_pictures(path)
    np.testing.assert_array_equal(found.images, pixels())
    np.testing.assert_array_equal(found.counts, pixel_counts(pixels()))
    assert found.about == SAMPLES


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4, 4, 1), (3, 4, 4, 3)])
def test_any_array_of_images_is_read(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    path, images = tmp_path / f"a.{suffix}", np.ones(shape, np.uint8)
    np.save(path, images) if suffix == "npy" else np.savez(path, anything=images)
    found = load_pictures(path)
    assert found.images.shape == (*shape[:3], shape[3] if len(shape) == 4 else 1)
    assert found.total == 3


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros((0, 3, 3), np.uint8), np.zeros((2, 3, 3, 2), np.uint8)],
)
def test_what_are_no_images_is_refused(images: NDArray[np.uint8], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(ValueError, match=r"a\.npy is no array of images, or damaged \(Pictures are at least"):
        load_pictures(tmp_path / "a.npy")


@pytest.mark.parametrize("about", ["[1]", '"cats"', '{"kind": "samples", "name": "mine"}'])
def test_images_that_do_not_say_what_they_are_are_refused(about: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=pixels(), about=np.array(about))
    with pytest.raises(ValueError, match=r"a\.npz is no array of images, or damaged"):
        load_pictures(tmp_path / "a.npz")


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="Pixel counts must be"):
        Pictures(pixels(), np.zeros((1, 256), np.int64))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"words"])
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="is no array of images, or damaged"):
        load_pictures(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="There is no array of images"):
        load_pictures(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"written as \.npz"):
        save_pictures(tmp_path / "a.npy", Pictures(pixels()))


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_pictures(tmp_path / "a.npy")


def test_a_grid_shows_the_first_images_and_says_of_what() -> None:
    samples = Pictures(pixels(), about=SAMPLES)
    (axis,) = make_figure([samples], n=4).axes
    np.testing.assert_array_equal(np.asarray(axis.images[0].get_array()), image_grid(pixels()[:4]))
    assert axis.get_title() == "Samples, model: runs/mine\ntemperature 0.7, seed 3\n4 of 5 images"
    assert title(Pictures(pixels(), about={**SAMPLES, "label": 2, "nonfinite": 1}), 9).endswith(
        "seed 3, class 2\nn = 5, 1 not finite"
    )
    assert title(Pictures(pixels()), 9) == "images\nn = 5"


def test_several_sets_stand_side_by_side() -> None:
    sets = [Pictures(pixels(seed=seed), about={**SAMPLES, "temperature": seed / 2}) for seed in range(4)]
    figure = make_figure(sets, columns=3)
    assert [axis.get_visible() for axis in figure.axes] == [True] * 4 + [False] * 2
    assert "temperature 1.5" in figure.axes[3].get_title()
    assert len(list(table(sets))) == 4 * 3
    with pytest.raises(ValueError, match="at least one set, image and column"):
        make_figure([])


def test_grey_images_are_drawn_from_black_to_white() -> None:
    (axis,) = make_figure([Pictures(np.full((1, 4, 4), 100, np.uint8))]).axes
    assert axis.images[0].get_clim() == (0, 255)
    assert axis.images[0].get_cmap().name == "gray"


def test_validation_shows_images_and_a_histogram_of_every_channel() -> None:
    sets = [
        Pictures(pixels(), about={"name": "array:/x/cats.npy", "split": "test"}),
        Pictures(pixels(channels=1)),
    ]
    figure = dataset_validation.make_figure(sets, n=2)
    assert figure.axes[0].get_title() == "cats test\n2 of 5 images, 4\N{MULTIPLICATION SIGN}6, 3 channels"
    assert figure.axes[2].get_title().endswith("1 channel")
    right = figure.axes[1]
    assert [len(axis.patches) for axis in figure.axes] == [0, 3, 0, 1]
    assert right.get_xlabel() == "value of a pixel (0 to 255)"
    assert right.get_yscale() == "log"
    legend = right.get_legend()
    assert legend is not None
    red = pixels()[..., 0]
    expected = f"red: {red.mean():.1f} \N{PLUS-MINUS SIGN} {red.std():.1f}, {red.min()} to {red.max()}"
    assert legend.get_texts()[0].get_text() == expected
    with pytest.raises(ValueError, match="at least one set and one image"):
        dataset_validation.make_figure(sets, n=0)


def test_commands_write_figure_and_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_pictures(tmp_path / "s.npz", Pictures(pixels(), about=SAMPLES))
    draw([str(path), "--output", str(tmp_path / "one")], "m", "d", several=False)
    draw([str(path), str(path), "--output", str(tmp_path / "two")], "m", "d", several=True)
    dataset_validation.main([str(path), "--output", str(tmp_path / "three")])
    names = [f"{name}.{kind}" for name in ("one", "two", "three") for kind in ("pdf", "png", "csv")]
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in names]
    with (tmp_path / "one.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == ["red", "green", "blue"]
    assert float(rows[0]["mean"]) == pytest.approx(pixels()[..., 0].mean())


def test_without_a_name_figures_are_called_after_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_FIGURES", str(tmp_path / "figures"))
    path = save_pictures(tmp_path / "s.npz", Pictures(pixels(1), about=SAMPLES))
    draw([str(path)], "m", "d", several=False)
    dataset_validation.main([str(path)])
    names = {file.stem for file in (tmp_path / "figures").iterdir()}
    assert names == {"model_samples-s", "dataset_validation-s"}
    assert len(named_after("f", [Path("x" * 200)])) < 150


@pytest.mark.parametrize("module", ["__main__", "array"])
def test_package_and_submodule_run(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["plots", str(tmp_path / "none.npz"), "--output", str(tmp_path / "f")])
    with pytest.raises(SystemExit) as exit_:
        run_module(f"plots.model_samples.{module}")
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: There is no array of images")
