"""A trained flow of 3 scales of 32 steps is still inverted exactly, and its folded form still agrees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

from invglow.flows import GlowConfig, MultiScaleFlow, build_glow, initialize
from tests.properties import flatten

SIDE = 16
STEPS, WARM_UP, BATCH = 100, 20, 32
LEARNING_RATE = 2e-3


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Photographs at a third of their size in random crops, dequantised: (512, 3, 16, 16)."""
    rng = np.random.default_rng(0)
    photographs = [photograph[::3, ::3] for photograph in load_sample_images().images]
    crops = np.stack([_random_crop(photographs[i % 2], rng) for i in range(512)])
    noise = rng.random(crops.shape)
    return torch.from_numpy(((crops + noise) / 256 - 0.5).astype(np.float32)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def trained(images: Tensor) -> MultiScaleFlow:
    """A narrow Glow of the paper's depth, trained for a while; its likelihood has risen a lot."""
    torch.manual_seed(0)
    config = GlowConfig((3, SIDE, SIDE), scales=3, steps_per_scale=32, hidden_channels=16)
    flow = build_glow(config).to(memory_format=torch.channels_last)
    initialize(flow, images[:256])
    before = _bits_per_dim(flow, images[:128])
    with _one_thread():
        _train(flow, images)
    after = _bits_per_dim(flow, images[:128])
    assert after < before - 1.2, f"{before:.2f} bits per dimension before training, {after:.2f} after it"
    return flow


@torch.no_grad()
def test_round_trip_in_single_precision(trained: MultiScaleFlow, images: Tensor) -> None:
    x = images[:128]
    back = trained.inverse([output.latent for output in trained(x)])
    assert (back - x).abs().max() <= 1e-4


@torch.no_grad()
def test_round_trip_of_its_own_cool_samples(trained: MultiScaleFlow) -> None:
    x = trained.sample(64, temperature=0.5, generator=torch.Generator().manual_seed(0))
    back = trained.inverse([output.latent for output in trained(x)])
    assert (back - x).abs().max() <= 1e-4


@torch.no_grad()
def test_single_precision_agrees_with_double_and_folded_with_unfolded(
    trained: MultiScaleFlow, images: Tensor
) -> None:
    """The shares of log p(x), to a hundredth of a nat: several thousand nats are at stake."""
    x = images[:64]
    folded, unfolded = flatten(trained(x)), flatten(trained.forward_unfolded(x))
    exact = flatten(_in_double(trained)(x.double()))
    for i, reference in enumerate(exact):
        tolerance = 1e-2 if reference.dim() == 1 else 1e-3
        assert (folded[i].double() - reference).abs().max() <= tolerance
        assert (unfolded[i].double() - reference).abs().max() <= tolerance


def _train(flow: MultiScaleFlow, images: Tensor) -> None:
    rng = np.random.default_rng(1)
    optimizer = torch.optim.Adamax(flow.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, (i + 1) / WARM_UP))
    parameters = list(flow.parameters())
    for _ in range(STEPS):
        batch = images[rng.choice(len(images), BATCH, replace=False)]
        gradients = torch.autograd.grad(-flow.log_prob(batch).mean(), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        schedule.step()


@contextmanager
def _one_thread() -> Iterator[None]:
    """So narrow a flow gains nothing from more, and on a busy machine they wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _bits_per_dim(flow: MultiScaleFlow, x: Tensor) -> float:
    return 8 - flow.log_prob(x).mean().item() / (x[0].numel() * math.log(2))


def _in_double(flow: MultiScaleFlow) -> MultiScaleFlow:
    copy = build_glow(GlowConfig((3, SIDE, SIDE), scales=3, steps_per_scale=32, hidden_channels=16))
    copy.load_state_dict(flow.state_dict())
    return copy.double()


def _random_crop(photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = (int(rng.integers(size - SIDE + 1)) for size in photograph.shape[:2])
    return photograph[top : top + SIDE, left : left + SIDE]
