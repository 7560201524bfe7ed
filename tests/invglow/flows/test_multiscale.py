"""What a flow takes and what it refuses, in one clear sentence."""

from __future__ import annotations

import pytest
import torch

from tests.invglow.flows.examples import small_glow
from tests.properties import random_images


@pytest.mark.parametrize(
    "shape",
    [(3, 8, 4), (2, 1, 8, 4), (2, 3, 4, 8), (2, 8, 4, 3), (2, 3, 8, 8), (2, 3, 8, 4, 1), (0, 3, 8, 4)],
)
@pytest.mark.parametrize("call", ["forward", "forward_unfolded", "log_prob"])
def test_images_of_another_shape_are_refused(call: str, shape: tuple[int, ...]) -> None:
    flow = small_glow()
    sentence = r"^This flow takes images of shape \(B, 3, 8, 4\) with B >= 1, got \([\d, ]+\)\.$"
    with pytest.raises(ValueError, match=sentence):
        getattr(flow, call)(random_images(*shape))


def test_images_that_were_not_dequantised_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got torch\.uint8: dequantize the images first\.$"):
        small_glow().log_prob(torch.zeros(2, 3, 8, 4, dtype=torch.uint8))


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 6, 4, 2)],
        [(2, 24, 2, 1), (2, 6, 4, 2)],
        [(2, 6, 4, 2), (2, 24, 2, 1), (2, 24, 2, 1)],
        [(2, 1, 4, 2), (2, 24, 2, 1)],
        [],
    ],
)
def test_latents_of_other_shapes_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"^This flow takes one latent per scale.*got \["):
        small_glow().inverse([random_images(*shape) for shape in shapes])


def test_latents_are_finest_first_and_hold_every_dimension_once() -> None:
    flow = small_glow(scales=3, image_shape=(3, 8, 16))
    shapes = [tuple(output.latent.shape) for output in flow(random_images(2, 3, 8, 16))]
    assert shapes == [(2, 6, 4, 8), (2, 12, 2, 4), (2, 48, 1, 2)]
