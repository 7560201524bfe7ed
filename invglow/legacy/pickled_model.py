"""Models of the first paper: whole pickled modules, with all their variants (Schirrmeister et al., 2020)."""

from __future__ import annotations

import math
from itertools import accumulate

import torch
from torch import Tensor

from invglow.flows import GlowConfig
from invglow.legacy.affine import ElementwiseAffine, actnorm_affine, normal_affine
from invglow.legacy.imported import Imported
from invglow.legacy.part import FormError, Part, shown
from invglow.legacy.pickled_flow import PickledFlow, Shape, flow_settings, read_pickled_flow, step_tensors
from invglow.legacy.pickled_graph import Scale, body_scales, class_branches, layers_of

__all__ = ["read_pickled_model"]

FORM = "pickled modules (Schirrmeister et al., 2020)"


def read_pickled_model(root: Part, image_size: int) -> Imported:
    """Read a model, given the object that was pickled.

    Args:
        root: the object.
        image_size: side of the images of a model on local patches, whose file does not hold it.

    Raises:
        ValueError: it is not as the format has it.
    """
    if root.kind == "WrapForPatches":
        return _read_local(root, image_size)
    if root.kind == "InvertibleSequential":
        return _read_class_conditional(root)
    scales = body_scales(root.require_kind("CatAsListNode", "WrapForPatches", "InvertibleSequential"))
    flows, config = _read_body(root, scales)
    tensors = step_tensors(flows)
    for i, (scale, shape) in enumerate(zip(scales, _latent_shapes(config), strict=True)):
        if scale.normal is None:
            raise root.refusal("has a scale without a distribution")
        size = math.prod(shape)
        affine = actnorm_affine(scale.actnorm, size).then(normal_affine(scale.normal, size))
        tensors |= affine.state(f"scales.{i}.prior", shape)
    return Imported(config, tensors, FORM, root.archive.path)


def _read_local(root: Part, image_size: int) -> Imported:
    layers = layers_of(root.part("model"))
    if [layer.kind for layer in layers[-3:]] != ["Flatten2d", "ActNorm", "Unlabeled"]:
        raise root.refusal("was expected to end in Flatten2d, ActNorm, Unlabeled")
    flow, patch_size = read_pickled_flow(layers[:-3]), root.attribute("patch_size")
    if type(patch_size) is not int:
        raise root.refusal(f"has setting patch_size = {shown(patch_size)}, expected was a whole number")
    config = GlowConfig(
        image_shape=(flow.channels // 4, image_size, image_size),
        architecture="local",
        patch_size=patch_size,
        scales=1,
        **flow_settings([flow]),
    )
    shape = (flow.channels, patch_size // 2, patch_size // 2)
    affine = actnorm_affine(layers[-2], math.prod(shape)).then(normal_affine(layers[-1], math.prod(shape)))
    return Imported(
        config, step_tensors([flow]) | affine.state("scales.0.prior.patch", shape), FORM, root.archive.path
    )


def _read_class_conditional(root: Part) -> Imported:
    layers = layers_of(root)
    if [layer.kind for layer in layers] != ["CatChansNode", "MergeLogDets"]:
        raise root.refusal("was expected to be a body and its classes")
    scales = body_scales(layers[0])
    mixture = layers[1].part("module").require_kind("InvertibleClassConditional")
    modules, order = mixture.part("module_list").parts(), mixture.attribute("i_classes")
    numbers = isinstance(order, list) and all(type(label) is int for label in order)
    if not numbers or sorted(order) != list(range(len(modules))):
        raise mixture.refusal(f"was expected to have classes 0 to {len(modules) - 1}")
    flows, config = _read_body(root, scales, classes=len(modules))
    shapes = _latent_shapes(config)
    sizes = [math.prod(shape) for shape in shapes]
    body = [actnorm_affine(scale.actnorm, size) for scale, size in zip(scales, sizes, strict=True)]
    place = {y: i for i, y in enumerate(order)}
    priors = [_class_priors(modules[place[y]], body, sizes) for y in range(len(modules))]
    tensors = step_tensors(flows)
    for i, shape in enumerate(shapes):
        tensors |= _stacked([prior[i].state(f"scales.{i}.prior", shape) for prior in priors])
    return Imported(config, tensors, FORM, root.archive.path)


def _class_priors(node: Part, body: list[ElementwiseAffine], sizes: list[int]) -> list[ElementwiseAffine]:
    """Return, of one class, what makes the latent of each scale standard normal."""
    branches = class_branches(node, list(accumulate(sizes))[:-1])
    return [
        affine.then(actnorm_affine(actnorm, size)).then(normal_affine(normal, size))
        for affine, size, (actnorm, normal) in zip(body, sizes, branches, strict=True)
    ]


def _stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _read_body(root: Part, scales: list[Scale], classes: int = 0) -> tuple[list[PickledFlow], GlowConfig]:
    flows = [read_pickled_flow(scale.flow) for scale in scales]
    first = flows[0]
    height, width = first.sides or _square_sides(scales[0], first.channels // (1 if len(scales) == 1 else 2))
    config = GlowConfig(
        image_shape=(first.channels // 4, 2 * height, 2 * width),
        architecture="dense" if first.sides else "convolutional",
        scales=len(scales),
        classes=classes,
        **flow_settings(flows),
    )
    for i, (flow, features) in enumerate(zip(flows, _feature_shapes(config), strict=True)):
        sides = features[1:] if config.architecture == "dense" else None
        if (flow.channels, flow.sides) != (features[0], sides):
            found = (flow.channels, *(flow.sides or features[1:]))
            raise root.refusal(f"has features of shape {found} in scale {i}, expected was {features}")
    return flows, config


def _square_sides(scale: Scale, channels: int) -> tuple[int, int]:
    """Return height and width of a latent, which a file holds flattened; published images are square."""
    size = scale.actnorm.tensors(("loc", "log_scale"))["loc"].numel
    side = math.isqrt(size // max(1, channels))
    if side * side * channels != size:
        raise FormError(
            f"{scale.actnorm.where} has {size} elements, which make no square of {channels} channels"
        )
    return side, side


def _feature_shapes(config: GlowConfig) -> list[Shape]:
    """Return the shape of the squeezed features of each scale."""
    channels, height, width = config.image_shape
    return [
        (4 * channels * 2**i, height // 2 ** (i + 1), width // 2 ** (i + 1)) for i in range(config.scales)
    ]


def _latent_shapes(config: GlowConfig) -> list[Shape]:
    shapes = _feature_shapes(config)
    return [(channels // 2, height, width) for channels, height, width in shapes[:-1]] + shapes[-1:]
