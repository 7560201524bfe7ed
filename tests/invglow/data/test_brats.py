"""Slices of brains: which pictures, cut where, and the same squares for the same seed and step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from invglow.data.batches import TrainingBatches, evaluation_batches
from invglow.data.cutting import cut_squares
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import dequantize, quantize
from invglow.data.registry import load_image_set
from tests.invglow.data.examples import images

SIZE = 48


def places(side: int) -> NDArray[np.uint8]:
    """Return a picture (side, side) that tells from every pixel its row and column, in 4 bits each."""
    rows, columns = np.mgrid[:side, :side] % 16
    return np.asarray(16 * rows + columns, dtype=np.uint8)


def save(path: Path, picture: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def load(
    folder: Path, spec: str = "brats", split: str = "test", *, size: int = 32, grey: bool = False
) -> ImageSet:
    return load_image_set(spec, split, folder=folder, image_size=size, grey=grey)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder with slices of two patients in each form, as JPEG and PNG."""
    train, test = tmp_path / "brats" / "train", tmp_path / "brats" / "test"
    for number, modality in enumerate(("t1", "t1ce", "t2", "flair", "seg")):
        slice_ = np.full((SIZE, SIZE), 20 * number, dtype=np.uint8)
        save(train / modality / "1.jpg", slice_)
        save(train / f"BraTS19_2013_2_1_{modality}_081.jpg", slice_)
        save(test / modality / "1.png", places(SIZE))
    return tmp_path


def test_all_modalities_or_one_are_read_but_no_segmentations(folder: Path) -> None:
    found = load(folder, split="train")
    assert len(found) == 8
    for number, modality in enumerate(("t1", "t1ce", "t2", "flair")):
        one = load(folder, f"brats-{modality}", "train")
        assert {Path(path).name for path in one.paths or ()} == {
            "1.jpg",
            f"BraTS19_2013_2_1_{modality}_081.jpg",
        }
        assert np.abs(one.images.astype(int) - 20 * number).max() <= 1


def test_evaluation_sees_the_centre_in_three_equal_channels(folder: Path) -> None:
    found = load(folder, "brats-t2")
    assert (found.image_shape, len(found)) == ((3, 32, 32), 1)
    (_, x), *_ = evaluation_batches(found, 10)
    centre = torch.from_numpy(places(SIZE)[8:40, 8:40])
    assert torch.equal(quantize(x)[0], centre.expand(3, 32, 32))
    assert torch.equal(x, dequantize(found.batch([0])))


def test_grey_models_get_one_channel(folder: Path) -> None:
    found = load(folder, "brats-t2", grey=True)
    assert found.image_shape == (1, 32, 32)
    np.testing.assert_array_equal(found.batch([0])[0, 0], places(SIZE)[8:40, 8:40])
    assert found.sha256() != load(folder, "brats-t2").sha256()
    assert found.sha256() != load(folder, "brats-t2", grey=True, size=16).sha256()


def test_training_cuts_whole_squares_anywhere_and_neither_flips_nor_shifts(folder: Path) -> None:
    images_ = replace(load(folder, "brats-t2"), images=places(SIZE)[None, :, :, None].repeat(3, axis=0))
    batches = TrainingBatches(images_, 400, seed=3)
    squares = quantize(batches(0))[:, 0].numpy()
    corners = [(square[0, 0] // 16, square[0, 0] % 16) for square in squares]
    for square, (row, column) in zip(squares, corners, strict=True):
        np.testing.assert_array_equal(square, places(SIZE + 16)[row : row + 32, column : column + 32])
    assert {row for row, _ in corners} == set(range(16))  # places 0 and 16 look alike here
    assert {column for _, column in corners} == set(range(16))


def test_the_squares_of_a_step_depend_on_seed_and_step_alone(folder: Path) -> None:
    slices = load(folder, "brats", "train", size=24)
    noise = images(8, size=SIZE, channels=1)
    slices = replace(slices, images=noise)
    straight = [TrainingBatches(slices, 8, seed=1)(step) for step in range(4)]
    assert torch.equal(TrainingBatches(slices, 8, seed=1)(3), straight[3])
    assert not torch.equal(straight[2], straight[3])
    assert not torch.equal(TrainingBatches(slices, 8, seed=2)(3), straight[3])
    halves = [TrainingBatches(slices, 8, seed=1, rank=rank, world_size=2)(3) for rank in range(2)]
    assert torch.equal(torch.cat(halves), straight[3])


def test_places_are_uniform() -> None:
    square = cut_squares(
        np.broadcast_to(places(12)[..., None], (6000, 12, 12, 1)), 8, torch.Generator().manual_seed(0)
    )
    rows, columns = square[:, 0, 0, 0] // 16, square[:, 0, 0, 0] % 16
    counts = np.histogram2d(rows, columns, bins=5)[0]
    assert np.abs(counts - 240).max() < 5 * np.sqrt(240)


def test_sets_that_are_not_cut_draw_nothing() -> None:
    """So that batches of all other sets stay what they were."""
    generator = torch.Generator().manual_seed(0)
    whole = ImageSet("a", "train", images(3))
    before = generator.get_state()
    assert torch.equal(whole.batch([0, 1], generator), whole.batch([0, 1]))
    assert torch.equal(generator.get_state(), before)


def test_what_is_missing_or_does_not_fit_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"brats \(test\) was looked for at .*named after the modal"):
        load(tmp_path / "elsewhere")
    (folder / "brats" / "test" / "flair" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match="no picture there has flair as a folder or as a word"):
        load(folder, "brats-flair")
    with pytest.raises(ValueError, match=r"48x48 pixels, out of which squares of 64x64 cannot be cut"):
        load(folder, size=64)
    save(folder / "brats" / "test" / "t2" / "2.png", places(SIZE)[:40])
    with pytest.raises(ValueError, match=r"2\.png has 48x40 pixels, but all pictures in .* 48x48"):
        load(folder, "brats-t2")
    (folder / "brats" / "test" / "t1" / "1.png").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="None of the 1 pictures"):
        load(folder, "brats-t1")


def test_a_damaged_slice_is_left_out(folder: Path) -> None:
    (folder / "brats" / "train" / "t1" / "1.jpg").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="1 of 2 pictures"):
        assert len(load(folder, "brats-t1", "train")) == 1
