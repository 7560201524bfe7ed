"""Image sets: batches, grey, limits and the hash of what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invglow.data.arrays import open_images
from invglow.data.image_set import ImageSet, luma
from tests.invglow.data.examples import images


def test_a_batch_has_channels_first_and_the_order_asked_for() -> None:
    batch = ImageSet("a", "test", images(6)).batch([4, 0, 4])
    assert batch.shape == (3, 3, 32, 32)
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.permute(0, 2, 3, 1), images(6)[[4, 0, 4]])


def test_grey_is_pillows_luma() -> None:
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in images(3)]
    np.testing.assert_array_equal(luma(images(3))[..., 0], expected)


def test_grey_changes_the_shape_of_batches_but_not_the_images() -> None:
    grey = ImageSet("a", "test", images(3), grey=True)
    assert grey.image_shape == (1, 32, 32)
    assert grey.batch([1]).shape == (1, 1, 32, 32)
    assert ImageSet("a", "test", images(3)).image_shape == (3, 32, 32)


def test_grey_images_stay_as_they_are_in_grey() -> None:
    found = images(3, channels=1)
    np.testing.assert_array_equal(
        ImageSet("a", "test", found, grey=True).batch(range(3))[:, 0], found[..., 0]
    )


def test_limited_keeps_labels_and_paths_in_step() -> None:
    full = ImageSet("a", "test", images(5), np.arange(5), paths=("a", "b", "c", "d", "e"))
    some = full.limited(2)
    assert (len(some), some.paths) == (2, ("a", "b"))
    np.testing.assert_array_equal(some.labels, [0, 1])
    assert len(full.limited(99)) == 5
    with pytest.raises(ValueError, match="at least 1"):
        full.limited(0)


def test_the_hash_is_of_pixels_shape_and_grey(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(5))
    in_memory = ImageSet("a", "test", images(5))
    changed = images(5)
    changed[4, 31, 31, 2] ^= 1
    reshaped = images(5).reshape(5, 16, 64, 3)
    assert ImageSet("b", "train", open_images(tmp_path / "a.npy")).sha256() == in_memory.sha256()
    others = [
        replace(in_memory, grey=True),
        replace(in_memory, images=changed),
        replace(in_memory, images=reshaped),
    ]
    assert len({in_memory.sha256(), *(other.sha256() for other in others)}) == 4


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (images(3) / 255, r"float64 of shape \(3, 32, 32, 3\)"),
        (images(3).transpose(0, 3, 1, 2), r"uint8 of shape \(3, 3, 32, 32\)"),
        (images(3)[..., 0], r"uint8 of shape \(3, 32, 32\)"),
        (images(3)[..., :2], r"uint8 of shape \(3, 32, 32, 2\)"),
        (torch.from_numpy(images(3)), r"torch\.uint8 of shape"),
        (images(3).tolist(), "are list of shape"),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(array: Any, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^The images of a must be an array of uint8, .*{words}"):
        ImageSet("a", "test", array)


def test_labels_are_one_for_each_image() -> None:
    with pytest.raises(ValueError, match="a has 2 labels for 3 images"):
        ImageSet("a", "test", images(3), np.arange(2))
