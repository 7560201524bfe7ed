"""How far perturbations are carried: by linear maps exactly, by a Glow as its Jacobian says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.perturbation import Perturbation, load_or_perturb
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import dequantize
from invglow.flows import GlowConfig
from models.base import GenerativeModel, InvertibleModel
from models.glow import Glow
from tests.anomaly_methods.extractors.toys import SHAPE, Gaussian, make_images
from tests.properties import randomize

PIXELS = 16


class Stretching(InvertibleModel):
    """The upper half of the image times 2 is the finer latent, the lower half times 5 the coarser."""

    def __init__(self) -> None:
        super().__init__()
        self.image_shape = SHAPE
        self.bound = "exact"
        self.scales = 2
        self.standardized = True
        self.factors = nn.Parameter(torch.tensor([2.0, 5.0]))
        self.calls = 0

    def latents(self, x: Tensor) -> tuple[Tensor, ...]:
        self.calls += 1
        return tuple(half * factor for half, factor in zip(x.split(2, dim=2), self.factors, strict=True))

    def invert(self, latents: Sequence[Tensor]) -> Tensor:
        return torch.cat([z / factor for z, factor in zip(latents, self.factors, strict=True)], dim=2)

    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        raise NotImplementedError


def perturbed(
    model: GenerativeModel, path: Path, images: ImageSet | None = None, **changes: Any
) -> Statistics:
    batch_size = changes.pop("batch_size", 64)
    return load_or_perturb(
        model,
        images or make_images(23),
        Perturbation(**changes),
        path,
        model_name="runs/a",
        checkpoint_sha256="a" * 64,
        batch_size=batch_size,
    )


def test_scales_move_the_image_by_what_they_are_stretched(tmp_path: Path) -> None:
    found = perturbed(Stretching(), tmp_path / "s.npz", norm=0.01)
    np.testing.assert_allclose(found.value("input_moved.scale0"), 0.01 / 2, rtol=1e-9)
    np.testing.assert_allclose(found.value("input_moved.scale1"), 0.01 / 5, rtol=1e-9)


def test_the_parts_of_a_random_direction_sum_by_pythagoras(tmp_path: Path) -> None:
    found = perturbed(Stretching(), tmp_path / "s.npz", norm=0.01)
    fine, coarse, total = (found.value(f"latent_moved.{s}") for s in ("scale0", "scale1", "total"))
    np.testing.assert_allclose(total**2, fine**2 + coarse**2)
    np.testing.assert_allclose((fine / 2) ** 2 + (coarse / 5) ** 2, 0.01**2)  # the perturbation's own norm
    inputs = found.value("input_moved.total")
    assert ((inputs > 0.01 / 5) & (inputs < 0.01 / 2)).all()
    assert len(np.unique(inputs)) == 23  # every image has directions of its own


def test_many_directions_tell_the_frobenius_norm_of_the_jacobian(tmp_path: Path) -> None:
    """The mean square over directions is norm^2 |J|_F^2 / D, here norm^2 (8 * 4 + 8 * 25) / 16."""
    images = make_images(4)
    found = perturbed(Stretching(), tmp_path / "s.npz", images, directions=400)
    expected = 0.01 * np.sqrt((8 * 2**2 + 8 * 5**2) / PIXELS)
    np.testing.assert_allclose(found.value("latent_moved.total"), expected, rtol=0.05)
    back = 0.01 * np.sqrt((8 / 2**2 + 8 / 5**2) / PIXELS)
    np.testing.assert_allclose(found.value("input_moved.total"), back, rtol=0.05)


def test_a_glow_moves_as_its_jacobian_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Glow.from_config(GlowConfig((1, 4, 4), scales=2, steps_per_scale=1, hidden_channels=5))
    randomize(model)
    images = make_images(2)
    found = perturbed(model, tmp_path / "s.npz", images, norm=1e-6, directions=600)
    exact = model.double()
    for row in range(2):
        x = dequantize(images.batch([row])).double()

        def flat(x: Tensor) -> Tensor:
            return torch.cat([z.flatten() for z in exact.latents(x)])

        jacobian = torch.autograd.functional.jacobian(flat, x).reshape(PIXELS, PIXELS)
        expected = 1e-6 * float(jacobian.norm()) / np.sqrt(PIXELS)
        assert found.value("latent_moved.total")[row] == pytest.approx(expected, rel=0.08)
        back = 1e-6 * float(torch.linalg.inv(jacobian).norm()) / np.sqrt(PIXELS)
        assert found.value("input_moved.total")[row] == pytest.approx(back, rel=0.2)


def test_batches_and_seeds(tmp_path: Path) -> None:
    one = perturbed(Stretching(), tmp_path / "a.npz", batch_size=23)
    small = perturbed(Stretching(), tmp_path / "b.npz", batch_size=4)
    few = perturbed(Stretching(), tmp_path / "c.npz", make_images(23).limited(5))
    other = perturbed(Stretching(), tmp_path / "d.npz", seed=1)
    name = "input_moved.total"
    np.testing.assert_allclose(one.value(name), small.value(name), rtol=1e-9)
    np.testing.assert_allclose(one.value(name)[:5], few.value(name), rtol=1e-9)
    assert (one.value(name) != other.value(name)).all()


def test_the_file_says_what_was_done_and_is_read_again(tmp_path: Path) -> None:
    model = Stretching()
    perturbed(model, tmp_path / "s.npz", seed=3, directions=2)
    meta = Statistics.load(tmp_path / "s.npz").meta
    assert (meta.kind, meta.seed, meta.bound, meta.unit) == ("perturbation", 3, "exact", "Euclidean norm")
    assert meta.settings == {"norm": 0.01, "directions": 2, "latents": "standardized"}
    calls = model.calls
    perturbed(model, tmp_path / "s.npz", seed=3, directions=2)
    assert model.calls == calls
    with pytest.raises(ValueError, match="holds other statistics than asked for: settings"):
        perturbed(model, tmp_path / "s.npz", seed=3)


def test_the_model_stays_as_it_was(tmp_path: Path) -> None:
    model = Stretching()
    perturbed(model, tmp_path / "s.npz")
    assert model.factors.dtype == torch.float32
    assert model.training


def test_what_cannot_be_perturbed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="latents that can be inverted, such as a Glow, got Gaussian"):
        perturbed(Gaussian(), tmp_path / "s.npz")
    for changes in ({"norm": 0.0}, {"norm": float("nan")}, {"directions": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match="a norm above 0, at least 1 direction and a seed of at least 0"):
            Perturbation(**changes)
    colour = ImageSet("dogs", "test", np.zeros((3, 4, 4, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="dogs has colour images"):
        perturbed(Stretching(), tmp_path / "s.npz", colour)
