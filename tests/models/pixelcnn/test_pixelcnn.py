"""PixelCNN: a distribution, in raster order, of images on their own."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from models.logistic import BINS, bin_centre, bin_of
from models.pixelcnn import PixelCNN
from models.pixelcnn.config import PixelCNNConfig
from models.pixelcnn.mixture import mixture_log_mass, mixture_outputs, mixture_sample
from models.pixelcnn.plain import MaskedConv

COLOUR = PixelCNNConfig(image_shape=(3, 8, 8), hidden_channels=4, mixtures=2)
GREY = replace(COLOUR, image_shape=(1, 8, 8))
PLAIN = replace(GREY, architecture="plain", blocks=2)
CONFIGS = [COLOUR, GREY, PLAIN]
every_config = pytest.mark.parametrize("config", CONFIGS, ids=["colour", "grey", "plain"])


def _model(config: PixelCNNConfig) -> PixelCNN:
    torch.manual_seed(0)
    return PixelCNN(config).eval()


def _images(config: PixelCNNConfig, n: int = 4) -> torch.Tensor:
    return torch.rand(n, *config.image_shape, generator=torch.Generator().manual_seed(0)) - 0.5


@every_config
def test_no_pixel_depends_on_a_later_one(config: PixelCNNConfig) -> None:
    """By autograd: the parameters of pixel p have no gradient at p or after, and have some before it."""
    model, x = _model(config).double(), _images(config, 1).double().requires_grad_()
    parameters = model.network(x)
    for place in (0, 9, 30, 63):
        (gradient,) = torch.autograd.grad(
            parameters[0, :, place // 8, place % 8].square().sum(), x, retain_graph=True
        )
        per_pixel = gradient.abs().sum(dim=1).flatten()
        assert (per_pixel[place:] == 0).all()
        assert place == 0 or (per_pixel[:place] != 0).any()


@pytest.mark.parametrize("first", [True, False])
def test_a_masked_convolution_sees_earlier_pixels_and_but_for_the_first_the_pixel_itself(first: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 3, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(MaskedConv(1, 1, 3, first=first)(x)[0, 0, 1, 1], x)
    assert (gradient[0, 0] != 0).tolist() == [[True] * 3, [True, not first, False], [False] * 3]


def test_plusplus_has_no_blind_spot_above() -> None:
    """How far it sees to the left in its own row is a matter of depth; above, it sees everything."""
    model, x = _model(GREY).double(), _images(GREY, 1).double().requires_grad_()
    (gradient,) = torch.autograd.grad(model.network(x)[0, :, 7, 7].square().sum(), x)
    assert (gradient[0, 0, :7] != 0).all()
    assert (gradient[0, 0, 7, 3:7] != 0).all()


@pytest.mark.parametrize("config", [GREY, PLAIN], ids=["grey", "plain"])
def test_the_conditionals_of_a_grey_pixel_sum_to_one(config: PixelCNNConfig) -> None:
    model = _model(config).double()
    bins = torch.randint(BINS, (1, 1, 8, 8), generator=torch.Generator().manual_seed(1)).repeat(BINS, 1, 1, 1)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        levels = bins.clone()
        levels[:, 0, row, column] = torch.arange(BINS)
        masses = model.pixel_log_probs(levels, torch.float64)[:, row, column].exp()
        assert float(masses.detach().sum()) == pytest.approx(1, abs=1e-9)


def test_the_mixture_of_a_colour_pixel_sums_to_one() -> None:
    """Over all 256^3 colours, red by red; scales of a few bins make the sum a matter of every term."""
    parameters = torch.randn(1, mixture_outputs(3, 2), 1, 1, generator=torch.Generator().manual_seed(0))
    levels = torch.arange(BINS)
    green_blue = torch.cartesian_prod(levels, levels).T[:, None]  # (2, 1, 65536)
    total = 0.0
    for red in range(BINS):
        bins = torch.cat((torch.full((1, 1, BINS**2), red), green_blue))[None]
        total += float(mixture_log_mass(bins, parameters.double()).exp().sum())
    assert total == pytest.approx(1, abs=1e-9)


def test_the_mixture_is_that_of_the_paper_in_a_loop() -> None:
    """Means of green and blue move by tanh of the slopes; the first and the last bin take the tails."""
    generator = torch.Generator().manual_seed(0)
    parameters = 2 * torch.randn(20, mixture_outputs(3, 4), 1, 1, generator=generator, dtype=torch.float64)
    bins = torch.randint(BINS, (20, 3, 1, 1), generator=generator)
    bins[:4, 0], bins[2:6, 2] = 0, 255
    expected = [
        _mixture_mass(*pair) for pair in zip(bins.flatten(1).tolist(), parameters[:, :, 0, 0], strict=True)
    ]
    found = mixture_log_mass(bins, parameters)[:, 0, 0].exp()
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-14)


def _mixture_mass(levels: list[int], parameters: torch.Tensor) -> float:
    """Return the probability of one colour pixel."""
    parts = parameters.reshape(4, 10).numpy()
    weights = np.exp(parts[:, 0]) / np.exp(parts[:, 0]).sum()
    red, green, _ = ((level + 0.5) / 256 - 0.5 for level in levels)
    total = 0.0
    for weight, part in zip(weights, parts, strict=True):
        means, slopes = part[1:4].copy(), np.tanh(part[7:])
        means[1] += slopes[0] * red
        means[2] += slopes[1] * red + slopes[2] * green
        mass = weight
        for level, mean, log_scale in zip(levels, means, part[4:7], strict=True):
            law = stats.logistic(mean, np.exp(np.clip(log_scale - 2.5, -9, 2)))
            upper = 1.0 if level == 255 else law.cdf((level + 1) / 256 - 0.5)
            mass *= upper - (0.0 if level == 0 else law.cdf(level / 256 - 0.5))
        total += mass
    return float(total)


def test_samples_of_a_pixel_follow_its_mixture() -> None:
    """The share of each octant of the colour cube, against the sum of the probabilities in it."""
    generator = torch.Generator().manual_seed(4)
    parameters = 0.3 * torch.randn(1, mixture_outputs(3, 2), 1, 1, generator=generator)
    draws = 4000
    bins = mixture_sample(
        parameters[..., 0, 0].expand(draws, -1), 3, torch.Generator().manual_seed(0), temperature=1.0
    )
    coarse = torch.arange(4, BINS, 8)  # every eighth bin stands for its neighbours
    grid = torch.cartesian_prod(coarse, coarse, coarse).T[None, :, None]
    mass = mixture_log_mass(grid, parameters).exp().flatten()
    mass = mass / mass.sum()
    for octant in itertools.product((0, 1), repeat=3):
        expected = float(mass[((grid[0, :, 0] >= 128) == torch.tensor(octant)[:, None]).all(dim=0)].sum())
        found = float(((bins >= 128) == torch.tensor(octant)).all(dim=1).float().mean())
        assert found == pytest.approx(expected, abs=0.04)


@every_config
def test_log_prob_is_the_probability_of_the_bin_times_its_density(config: PixelCNNConfig) -> None:
    model, x = _model(config), _images(config)
    bins = ((x + 0.5) * BINS).floor().long()
    expected = model.pixel_log_probs(bins).sum(dim=(1, 2)) + x[0].numel() * math.log(BINS)
    torch.testing.assert_close(model.log_prob(x), expected)


def test_logistics_are_drawn_as_often_as_their_weights_say() -> None:
    """Three narrow ones at levels far from each other, with logits 0, 1 and 3."""
    parameters = torch.tensor([0.0, -0.3, -6.0, 1.0, 0.0, -6.0, 3.0, 0.3, -6.0]).expand(4000, -1)
    bins = mixture_sample(parameters, 1, torch.Generator().manual_seed(0), temperature=1.0)[:, 0]
    counts = torch.histc(bins.float(), 3, 0, 256)
    expected = 4000 * torch.tensor([0.0, 1.0, 3.0]).double().softmax(dim=0)
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_uniform_conditionals_give_exactly_eight_bits() -> None:
    model, x = _model(PLAIN), _images(PLAIN)
    for parameter in model.network.head.parameters():  # type: ignore[union-attr]
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(model.log_prob(x), torch.zeros(4), rtol=0, atol=1e-3)


@every_config
def test_images_do_not_depend_on_their_batch(config: PixelCNNConfig) -> None:
    model, x = _model(config), _images(config)
    whole, order = model.log_prob(x), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model.log_prob(x[order]), whole[order], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        torch.cat([model.log_prob(one[None]) for one in x]), whole, rtol=1e-5, atol=1e-4
    )


@every_config
def test_gradient_norms_agree_with_the_reference(config: PixelCNNConfig) -> None:
    model, x = _model(config).double(), _images(config).double()
    found, expected = squared_gradient_norms(model, x, 2), reference_squared_norms(model, x, 2)
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("config", [replace(GREY, mixtures=1), PLAIN], ids=["one logistic", "plain"])
def test_at_temperature_zero_every_pixel_is_what_those_before_it_make_likeliest(
    config: PixelCNNConfig,
) -> None:
    model = _model(config)
    with torch.no_grad():
        for parameter in model.network.parameters():  # a fresh one is nearly indifferent
            parameter.add_(0.3 * torch.randn_like(parameter))
        bins = bin_of(model.sample(2, torch.Generator().manual_seed(0), temperature=0.0))
        parameters = model.network(2 * bin_centre(bins, torch.float32))
    expected = parameters.argmax(dim=1) if config.architecture == "plain" else bin_of(parameters[:, 1])
    assert torch.equal(bins[:, 0], expected)
    assert len(bins.unique()) > 3


@every_config
def test_samples_are_images_and_reproducible(config: PixelCNNConfig) -> None:
    model = _model(config)
    draws = [model.sample(2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert draws[0].shape == (2, *config.image_shape)
    assert float(draws[0].abs().max()) <= 0.5
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": 0}, "blocks must be at least 1"),
        ({"architecture": "minus"}, "Unknown architecture 'minus'; known are plusplus, plain"),
        ({"architecture": "plain"}, "takes grey images, got 3 channels"),
        ({"image_shape": (3, 10, 8)}, "sides divisible by 4"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(COLOUR, **changes)
