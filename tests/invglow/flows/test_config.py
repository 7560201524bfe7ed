"""The settings of a Glow: defaults, JSON, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from invglow.flows import GlowConfig, build_glow
from invglow.transforms import CouplingNetwork
from tests.properties import random_images


def test_defaults_are_those_of_the_paper() -> None:
    assert GlowConfig() == GlowConfig((3, 32, 32), 3, 32, 512, "lu", "affine")


def test_json_gives_the_same_settings_back() -> None:
    config = GlowConfig((1, 16, 24), 2, 5, 7, mixing="shuffle", coupling="additive")
    assert GlowConfig(**json.loads(json.dumps(config.to_json()))) == config


def test_sizes_are_those_of_the_flow() -> None:
    config = GlowConfig((1, 8, 16), scales=2, steps_per_scale=3, hidden_channels=7)
    flow = build_glow(config)
    assert flow.image_shape == (1, 8, 16)
    assert [len(scale.steps) for scale in flow.scales] == [3, 3]
    for scale in flow.scales:
        for step in scale.steps:
            network = step.coupling.network
            assert isinstance(network, CouplingNetwork)
            assert network.conv_in.out_channels == network.conv_mid.out_channels == 7
    assert len(flow(random_images(1, 1, 8, 16).float())) == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scales": 0}, r"^scales must be at least 1, got 0\.$"),
        ({"steps_per_scale": 0}, r"^steps_per_scale must be at least 1, got 0\.$"),
        ({"hidden_channels": -3}, r"^hidden_channels must be at least 1, got -3\.$"),
        ({"scales": 3, "image_shape": (3, 28, 32)}, r"divisible by 8, got 28x32: choose fewer scales"),
        ({"scales": 3, "image_shape": (3, 32, 36)}, r"divisible by 8, got 32x36: choose fewer scales"),
        ({"image_shape": (3, 0, 32)}, r"^image_shape must be .* each at least 1, got \(3, 0, 32\)\.$"),
        ({"image_shape": (0, 32, 32)}, r"^image_shape must be .*got \(0, 32, 32\)\.$"),
        ({"image_shape": (32, 32)}, r"^image_shape must be \(channels, height, width\).*got \(32, 32\)\.$"),
        ({"mixing": "qr"}, r"^Unknown mixing 'qr'; known are lu, plain, rotation, shuffle, identity\.$"),
        ({"coupling": "spline"}, r"^Unknown coupling 'spline'; known are affine, additive\.$"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GlowConfig(**settings)


@pytest.mark.parametrize(("side", "scales"), [(2, 1), (6, 1), (12, 2), (28, 2), (8, 3)])
def test_any_divisible_side_works(side: int, scales: int) -> None:
    flow = build_glow(GlowConfig((1, side, side), scales, steps_per_scale=1, hidden_channels=4))
    assert flow.log_prob(random_images(2, 1, side, side).float()).isfinite().all()
