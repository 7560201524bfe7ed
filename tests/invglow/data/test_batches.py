"""A training batch depends on seed and step alone; processes share one; each image comes once per epoch."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from invglow.data.batches import TrainingBatches, evaluation_batches, training_batches
from invglow.data.image_set import ImageSet
from invglow.data.permutation import permuted
from invglow.data.preprocessing import dequantize
from tests.invglow.data.examples import images

SET = ImageSet("a", "train", images(50))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 100, 4097])
def test_an_order_holds_everything_once(count: int) -> None:
    found = permuted(np.arange(count), count, (0, 1))
    np.testing.assert_array_equal(np.sort(found), np.arange(count))


def test_an_order_is_random_and_any_place_can_be_asked_for() -> None:
    first, second = (permuted(np.arange(10_000), 10_000, (0, epoch)) for epoch in (1, 2))
    assert abs(np.corrcoef(first, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert (first == np.arange(10_000)).sum() < 10
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.05
    np.testing.assert_array_equal(permuted([77, 5], 10_000, (0, 1)), first[[77, 5]])


def test_an_order_needs_no_memory_for_its_length() -> None:
    found = permuted(np.arange(5), 79_302_017, (0,))
    assert len(set(found.tolist())) == 5
    assert (found < 79_302_017).all()
    with pytest.raises(ValueError, match="below the count"):
        permuted([7], 7, (0,))


def test_each_image_comes_once_per_epoch() -> None:
    batches = TrainingBatches(SET, 8, seed=3)
    seen = np.concatenate([batches.indices(step) for step in range(25)]).reshape(4, 50)
    for epoch in seen:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(50))
    assert len({tuple(epoch) for epoch in seen}) == 4


def test_a_batch_may_be_larger_than_the_set() -> None:
    np.testing.assert_array_equal(np.bincount(TrainingBatches(SET, 100, seed=0).indices(0)), np.full(50, 2))


def test_training_resumes_anywhere_with_the_same_batches() -> None:
    batches = TrainingBatches(SET, 8, seed=3, max_shift=0.1)
    straight = list(islice(training_batches(batches), 12))
    resumed = list(training_batches(TrainingBatches(SET, 8, seed=3, max_shift=0.1), start=9, stop=12))
    assert len(resumed) == 3
    assert all(torch.equal(a, b) for a, b in zip(straight[9:], resumed, strict=True))


def test_seeds_and_steps_differ() -> None:
    some = [TrainingBatches(SET, 8, seed=seed)(step) for seed in (0, 1) for step in (0, 1)]
    assert not any(torch.equal(some[a], some[b]) for a in range(4) for b in range(a))


def test_noise_is_fresh_in_every_step() -> None:
    """Of one image alone, nothing but the noise tells the steps apart."""
    one = TrainingBatches(ImageSet("a", "train", images(1)), 1, seed=0, flip=False)
    first, second = one(0), one(1)
    assert not torch.equal(first, second)
    assert (first - second).abs().max() < 1 / 256


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_the_batch_one_process_would_see(world_size: int) -> None:
    whole = TrainingBatches(SET, 8, seed=3, max_shift=0.1)(5)
    slices = [
        TrainingBatches(SET, 8, 3, max_shift=0.1, rank=rank, world_size=world_size)(5)
        for rank in range(world_size)
    ]
    assert torch.equal(torch.cat(slices), whole)


def test_batches_hold_the_pixels_of_the_set() -> None:
    batches = TrainingBatches(SET, 8, seed=3, flip=False)
    pixels = ((batches(4) + 0.5) * 256).floor().to(torch.uint8)
    assert torch.equal(pixels, SET.batch(batches.indices(4)))


def test_a_set_of_digits_is_not_flipped() -> None:
    digits = ImageSet("a", "train", images(50), flips=False)
    assert torch.equal(TrainingBatches(digits, 8, 3)(0), TrainingBatches(SET, 8, 3, flip=False)(0))
    assert not torch.equal(TrainingBatches(SET, 8, 3)(0), TrainingBatches(SET, 8, 3, flip=False)(0))


def test_batch_sizes_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the 3 processes"):
        TrainingBatches(SET, 8, 0, world_size=3)
    with pytest.raises(ValueError, match="rank"):
        TrainingBatches(SET, 8, 0, rank=2, world_size=2)
    with pytest.raises(ValueError, match="at least 1"):
        evaluation_batches(SET, 0)


def test_evaluation_is_in_order_at_bin_centres() -> None:
    found = list(evaluation_batches(SET, 16, start=10))
    np.testing.assert_array_equal(np.concatenate([indices for indices, _ in found]), np.arange(10, 50))
    assert torch.equal(torch.cat([x for _, x in found]), dequantize(SET.batch(np.arange(10, 50))))


def test_evaluation_noise_belongs_to_the_image_not_to_the_batch() -> None:
    small, large = (torch.cat([x for _, x in evaluation_batches(SET, n, noise_seed=1)]) for n in (7, 50))
    assert torch.equal(small, large)
    other = torch.cat([x for _, x in evaluation_batches(SET, 50, noise_seed=2)])
    assert not torch.equal(small, other)
    same_pixels = ImageSet("a", "test", np.repeat(SET.images[:1], 50, axis=0))
    ((_, found),) = evaluation_batches(same_pixels, 50, noise_seed=1)
    assert len(found.unique(dim=0)) == 50


def test_labels_are_those_of_the_images_of_the_step_and_are_shared_like_them() -> None:
    labelled = ImageSet("a", "train", SET.images, np.arange(50))
    whole = TrainingBatches(labelled, 8, seed=2)
    np.testing.assert_array_equal(whole.labels(9), whole.indices(9))
    shares = [TrainingBatches(labelled, 8, 2, rank=rank, world_size=2).labels(9) for rank in (0, 1)]
    np.testing.assert_array_equal(torch.cat(shares), whole.labels(9))


def test_labels_of_a_set_without_any_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a \(train\) has no labels to learn from"):
        TrainingBatches(SET, 8, seed=2).labels(0)
