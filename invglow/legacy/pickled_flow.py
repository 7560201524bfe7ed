"""The layers of one scale of a pickled model as steps of this library, and the settings that follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from invglow.legacy.part import FormError, Part, shown
from invglow.legacy.pickled_steps import Step, read_step

__all__ = ["PickledFlow", "Shape", "flow_settings", "read_pickled_flow", "step_tensors"]

LAYERS_PER_STEP = 3
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class PickledFlow:
    """The steps of one scale.

    Attributes:
        steps: in order.
        channels: of the squeezed features.
        sides: height and width of the squeezed features where they are flattened, else None: not known.
    """

    steps: list[Step]
    channels: int
    sides: tuple[int, int] | None


def read_pickled_flow(layers: Sequence[Part]) -> PickledFlow:
    """Read the layers of one scale: squeeze, steps, and maybe flattening around them."""
    squeeze, *rest = layers
    squeeze.require_kind("SubsampleSplitter").require(
        stride=(2, 2), chunk_chans_first=True, checkerboard=False, cat_at_end=True, via_reshape=True
    )
    shape = None
    if rest and rest[0].kind == "Flatten2d":
        shape = _flattened_shape(rest[-1])
        rest = rest[1:-1]
    if not rest or len(rest) % LAYERS_PER_STEP:
        raise squeeze.refusal(
            f"is followed by {len(rest)} layers, expected were ActNorm, permutation, coupling"
        )
    features = rest[0].require_kind("ActNorm").tensors(("loc", "log_scale"))["loc"].numel
    if shape is not None and math.prod(shape) != features:
        raise rest[0].refusal(f"has {features} features, expected were those of shape {shape}")
    channels, sides = (features, None) if shape is None else (shape[0], shape[1:])
    if channels < 4 or channels % 4:
        raise rest[0].refusal(f"has {channels} channels, expected was a multiple of 4")
    steps = [
        read_step(actnorm, mixing, coupling, features, dense=shape is not None)
        for actnorm, mixing, coupling in zip(rest[0::3], rest[1::3], rest[2::3], strict=True)
    ]
    return PickledFlow(steps, channels, sides)


def _flattened_shape(view: Part) -> Shape:
    """Return the shape of the features that are put together again after the steps."""
    after = view.require_kind("ViewAs").attribute("dims_after")
    is_shape = isinstance(after, tuple) and len(after) == 4 and all(type(size) is int for size in after)
    if not is_shape or after[0] != -1 or min(after[1:]) < 1:
        raise view.refusal(
            f"has setting dims_after = {shown(after)}, expected was (-1, channels, height, width)"
        )
    return after[1], after[2], after[3]


def flow_settings(flows: Sequence[PickledFlow]) -> dict[str, Any]:
    """Return the settings of `GlowConfig` that all steps share.

    Raises:
        FormError: they do not.
    """
    steps = [step for flow in flows for step in flow.steps]
    return {
        "steps_per_scale": _the_same("steps per scale", [len(flow.steps) for flow in flows]),
        "hidden_channels": _the_same("hidden channels", [step.hidden for step in steps]),
        "mixing": _the_same("permutations", [step.mixing for step in steps]),
        "coupling": _the_same("couplings", [step.coupling for step in steps]),
    }


def step_tensors(flows: Sequence[PickledFlow]) -> dict[str, Tensor]:
    """Return the tensors of all steps by their names in a flow."""
    return {
        f"scales.{i}.steps.{j}.{name}": tensor
        for i, flow in enumerate(flows)
        for j, step in enumerate(flow.steps)
        for name, tensor in step.tensors.items()
    }


def _the_same(what: str, values: Sequence[Any]) -> Any:
    if len(set(values)) != 1:
        raise FormError(f"the model has different {what} ({', '.join(map(str, sorted(set(values))))})")
    return values[0]
