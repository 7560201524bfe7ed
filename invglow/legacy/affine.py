"""Elementwise affine maps one after the other, as one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from invglow.legacy.part import Part, loaded, shown

__all__ = ["ElementwiseAffine", "actnorm_affine", "normal_affine"]

# Published ActNorms on latents add this to their scale, or nothing; more would change what they compute.
LARGEST_EPS = 1e-7


@dataclass(frozen=True)
class ElementwiseAffine:
    """`exp(log_scale) * (x + loc)`, in double precision."""

    loc: Tensor
    log_scale: Tensor

    def then(self, other: ElementwiseAffine) -> ElementwiseAffine:
        """Return this map and the other after it, as one."""
        loc = self.loc + other.loc * (-self.log_scale).exp()
        return ElementwiseAffine(loc, self.log_scale + other.log_scale)

    def state(self, prefix: str, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Return it as the tensors of an `ElementwiseNormal`."""
        values = {"loc": self.loc, "log_scale": self.log_scale}
        return {f"{prefix}.{name}": value.float().reshape(shape) for name, value in values.items()}


def actnorm_affine(part: Part, size: int | None = None) -> ElementwiseAffine:
    """Read an ActNorm of `size` channels, or of as many as it has."""
    part.require_kind("ActNorm").require(scale_fn="exp", initialized=True)
    eps = part.attribute("eps")
    if not isinstance(eps, int | float) or not 0 <= eps <= LARGEST_EPS:
        raise part.refusal(f"has setting eps = {shown(eps)}, known are values from 0 to {LARGEST_EPS}")
    return ElementwiseAffine(*_two_of(part, "loc", "log_scale", size))


def normal_affine(part: Part, size: int) -> ElementwiseAffine:
    """Read a distribution without classes as the map that makes it standard normal."""
    normal = part.require_kind("Unlabeled").part("dist").require_kind("NClassIndependentDist")
    normal.require(truncate_to=None)
    mean, log_std = _two_of(normal, "class_means", "class_log_stds", size)
    return ElementwiseAffine(-mean, -log_std)


def _two_of(part: Part, one: str, other: str, size: int | None) -> tuple[Tensor, Tensor]:
    found = part.tensors((one, other))
    size = found[one].numel if size is None else size
    first, second = (
        loaded(part.archive, found[name], (size,), f"{part.where}.{name}") for name in (one, other)
    )
    return first.double(), second.double()
