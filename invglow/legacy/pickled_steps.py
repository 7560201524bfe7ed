"""One step of a pickled flow - ActNorm, permutation, coupling - as the tensors of a `FlowStep`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from invglow.legacy.affine import actnorm_affine
from invglow.legacy.mixing import require_lu_factors
from invglow.legacy.part import Part, loaded
from invglow.transforms.dense import log_abs_det_near_rotation

__all__ = ["Step", "read_step"]

# How far a rotation of single precision may be from one, in each element of W^T W v for a unit vector v, and
# in its log-determinant.
ROTATION_TOLERANCE, LOG_DET_TOLERANCE = 1e-4, 1e-2


@dataclass(frozen=True)
class Step:
    """A step that was read.

    Attributes:
        mixing: what its permutation is called in `GlowConfig`.
        coupling: what its coupling is called there.
        hidden: width of the coupling's network.
        tensors: by their names in a `FlowStep`, or `DenseStep`.
    """

    mixing: str
    coupling: str
    hidden: int
    tensors: dict[str, Tensor]


def read_step(actnorm: Part, mixing: Part, coupling: Part, channels: int, *, dense: bool) -> Step:
    """Read the three layers of a step on so many channels, or features."""
    affine = actnorm_affine(actnorm, channels)
    mixing_name, mixing_tensors = _read_mixing(mixing, channels, dense=dense)
    kind, outputs = _coupling_kind(coupling, channels // 2)
    network = coupling.part("coef_extractor").part("module")
    read = _read_dense_network if dense else _read_network
    hidden, network_tensors = read(network, channels // 2, outputs)
    tensors = {
        **affine.state("actnorm", (channels,)),
        **{f"mixing.{name}": tensor for name, tensor in mixing_tensors.items()},
        **{f"coupling.network.{name}": tensor for name, tensor in network_tensors.items()},
    }
    return Step(mixing_name, kind, hidden, tensors)


def _read_mixing(part: Part, channels: int, *, dense: bool) -> tuple[str, dict[str, Tensor]]:
    if part.kind == "Shuffle":
        stored = part.tensors(("indices",), ("invert_inds",))["indices"]
        indices = loaded(part.archive, stored, (channels,), f"{part.where}.indices", torch.int64)
        if not torch.equal(indices.sort().values, torch.arange(channels)):
            raise part.refusal("has indices that are no permutation")
        return "shuffle", {"indices": indices}
    part.require_kind("InvPermute", "Shuffle")
    if part.attribute("fixed") is True:
        return _read_rotation(part, channels, dense=dense)
    if dense:
        raise part.refusal("is not fixed, as in every fully connected model")
    if part.attribute("use_lu") is True:
        return "lu", _read_lu(part, channels)
    stored = part.tensors(("weight",))["weight"]
    return "plain", {"weight": loaded(part.archive, stored, (channels, channels), f"{part.where}.weight")}


def _read_lu(part: Part, channels: int) -> dict[str, Tensor]:
    names = {"w_p": "permutation", "w_l": "lower", "w_u": "upper", "w_s": "log_diagonal", "s_sign": "sign"}
    stored = part.tensors(names, ("l_mask", "u_mask", "l_eye"))
    square, row = (channels, channels), (channels,)
    found = {
        ours: loaded(
            part.archive, stored[name], row if name in {"w_s", "s_sign"} else square, f"{part.where}.{name}"
        )
        for name, ours in names.items()
    }
    # Only now it is known that the file holds as many numbers as the masks have.
    lower = torch.ones(channels, channels).tril(-1)
    for mask, expected in (("l_mask", lower), ("u_mask", lower.T)):
        if mask in stored and not torch.equal(
            loaded(part.archive, stored[mask], (channels, channels), f"{part.where}.{mask}"), expected
        ):
            raise part.refusal(f"has a {mask} that is not strictly triangular")
    require_lu_factors(found["permutation"], found["sign"], part.where)
    return found


def _read_rotation(part: Part, channels: int, *, dense: bool) -> tuple[str, dict[str, Tensor]]:
    stored = part.tensors(("weight", "fixed_log_det"), ("weight_inverse",))
    weight = loaded(part.archive, stored["weight"], (channels, channels), f"{part.where}.weight")
    probe = torch.nn.functional.normalize(
        torch.randn(channels, 4, generator=torch.Generator().manual_seed(0)), dim=0
    )
    log_det = loaded(part.archive, stored["fixed_log_det"], (), f"{part.where}.fixed_log_det")
    error = (weight.T @ (weight @ probe) - probe).abs().max()
    if not error <= ROTATION_TOLERANCE or not log_det.abs() <= LOG_DET_TOLERANCE:
        raise part.refusal("is fixed, but its weight is no rotation")
    tensors = {"weight": weight, "log_abs_det": log_abs_det_near_rotation(weight)}
    return "rotation", tensors if dense else {"weight": weight}


def _coupling_kind(part: Part, half: int) -> tuple[str, int]:
    """Return what the coupling is called, and how many outputs its network has."""
    part.require_kind("CouplingLayer").require(condition_merger=None)
    part.part("split_merger").require_kind("ChunkChansIn2").require(swap_dims=True)
    part.part("modifier").require_kind("AffineModifier").require(add_first=True, eps=0)
    coefficients = part.part("coef_extractor").require_kind("AffineCoefs", "AdditiveCoefs")
    if coefficients.kind == "AdditiveCoefs":
        return "additive", half
    part.part("modifier").require(sigmoid_or_exp_scale="sigmoid")
    coefficients.part("splitter").require_kind("EverySecondChan")
    return "affine", 2 * half


def _read_network(part: Part, half: int, outputs: int) -> tuple[int, dict[str, Tensor]]:
    first, relu, middle, relu_2, last = _five(part)
    for activation in (relu, relu_2):
        activation.require_kind("ReLU")
    hidden = first.part("conv").rows("weight")
    tensors = {}
    for name, layer, shape in (
        ("in", first, (hidden, half, 3, 3)),
        ("mid", middle, (hidden, hidden, 1, 1)),
    ):
        layer.require_kind("Conv2d").require(do_actnorm=True)
        tensors[f"conv_{name}.weight"] = _read_conv(layer.part("conv"), shape)["weight"]
        tensors |= actnorm_affine(layer.part("actnorm"), hidden).state(f"norm_{name}", (hidden,))
    return hidden, tensors | _read_last(last, (outputs, hidden, 3, 3))


def _read_last(part: Part, shape: tuple[int, int, int, int]) -> dict[str, Tensor]:
    part.require_kind("Conv2dZeros").require(logscale_factor=3)
    conv = _read_conv(part.part("conv"), shape, bias=True)
    logs = loaded(part.archive, part.tensors(("logs",))["logs"], shape[:1], f"{part.where}.logs")
    return {"conv_out.weight": conv["weight"], "bias_out": conv["bias"], "log_scale": logs}


def _read_conv(part: Part, shape: tuple[int, int, int, int], *, bias: bool = False) -> dict[str, Tensor]:
    side = shape[-1]
    part.require_kind("Conv2d").require(
        kernel_size=(side, side),
        stride=(1, 1),
        padding=(side // 2, side // 2),
        dilation=(1, 1),
        groups=1,
        padding_mode="zeros",
    )
    return _read_all(part, {"weight": shape} | ({"bias": shape[:1]} if bias else {}))


def _read_dense_network(part: Part, half: int, outputs: int) -> tuple[int, dict[str, Tensor]]:
    first, relu, middle, relu_2, last = _five(part)
    for activation in (relu, relu_2):
        activation.require_kind("ReLU")
    hidden = first.require_kind("Linear").rows("weight")
    sizes: dict[str, tuple[int, ...]] = {
        "in": (hidden, half),
        "mid": (hidden, hidden),
        "out": (outputs, hidden),
    }
    tensors: dict[str, Tensor] = {}
    for (name, size), layer in zip(sizes.items(), (first, middle, last), strict=True):
        found = _read_all(layer.require_kind("Linear"), {"weight": size, "bias": size[:1]})
        tensors |= {f"linear_{name}.{key}": tensor for key, tensor in found.items()}
    return hidden, tensors


def _five(part: Part) -> list[Part]:
    layers = part.require_kind("Sequential").parts()
    if len(layers) != 5:
        raise part.refusal(f"has {len(layers)} layers, expected were 5")
    return layers


def _read_all(part: Part, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    stored = part.tensors(shapes)
    return {
        name: loaded(part.archive, stored[name], shape, f"{part.where}.{name}")
        for name, shape in shapes.items()
    }
