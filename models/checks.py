"""Whether a model of somebody's own is what the anomaly methods take it for, and what to mend if not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

from models.base import Bound, GenerativeModel

__all__ = ["check_model"]

_IMAGES = 4
_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, NotImplementedError)


def check_model(model: object, image_shape: tuple[int, int, int]) -> list[str]:
    """Try a model on random images and return what is wrong with it, one sentence each; empty if nothing is.

    The model is tried in evaluation mode, where its parameters are, and left in the mode that it had.

    Args:
        model: what is meant to be a `GenerativeModel`.
        image_shape: (C, H, W) of the images that it is meant for.
    """
    if not isinstance(model, GenerativeModel):
        return [f"{type(model).__name__} is no GenerativeModel: derive it from models.base.GenerativeModel."]
    where = next((p.device for p in model.parameters()), torch.device("cpu"))
    x = (torch.rand(_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0)) - 0.5).to(where)
    with model.evaluating():
        return [*_attributes(model, image_shape), *_log_prob(model, x), *_samples(model, image_shape)]


def _attributes(model: GenerativeModel, image_shape: tuple[int, int, int]) -> Iterator[str]:
    shape = getattr(model, "image_shape", None)
    if shape is None or tuple(shape) != tuple(image_shape):
        yield f"image_shape must be the tuple {tuple(image_shape)}, the shape of one image, but is {shape}."
    bound = getattr(model, "bound", None)
    if bound not in get_args(Bound):
        yield f"bound must be one of {', '.join(get_args(Bound))}, which tables print, but is {bound!r}."


def _log_prob(model: GenerativeModel, x: Tensor) -> list[str]:
    """Return what is wrong with log_prob; without a value for each image there is no more to see."""
    before = x.clone()
    try:
        found: object = model.log_prob(x)  # whatever it claims to be
    except _ERRORS as error:
        return [f"log_prob fails on images of shape {tuple(x.shape)}: {type(error).__name__}: {error}"]
    if not isinstance(found, Tensor):
        return [
            f"log_prob must return a tensor, one number for each image, but returns {type(found).__name__}."
        ]
    if not torch.equal(x, before):
        return ["log_prob changes the images that it is given: let it work on a copy."]
    if tuple(found.shape) != (len(x),):
        return [_wrong_shape(tuple(found.shape), len(x))]
    return [*_values(model, x, found), *_gradients(model, found)]


def _wrong_shape(shape: tuple[int, ...], images: int) -> str:
    if not shape:
        return (
            f"log_prob must return one number for each image, shape ({images},) for {images}, but returns a "
            "scalar: sum over the dimensions of an image, not over the batch."
        )
    return (
        f"log_prob must return one number for each image, shape ({images},) for {images}, but returns shape "
        f"{shape}: sum over channels, rows and columns."
    )


@torch.no_grad()
def _values(model: GenerativeModel, x: Tensor, found: Tensor) -> Iterator[str]:
    if not found.isfinite().all():
        bad = int((~found.isfinite()).sum())
        yield f"log_prob of {bad} of {len(x)} images of uniform noise is not finite."
    elif not _same(model.log_prob(x), found):
        yield (
            "log_prob changes from call to call: draw its noise from the images and a seed, "
            "as models.noise does."
        )
    else:
        yield from _values_alone(model, x, found)


def _values_alone(model: GenerativeModel, x: Tensor, found: Tensor) -> Iterator[str]:
    try:
        alone = [model.log_prob(one[None]) for one in x]
    except _ERRORS as error:
        yield f"log_prob fails on a single image, shape {(1, *x.shape[1:])}: {type(error).__name__}: {error}"
        return
    if tuple(alone[0].shape) != (1,):
        yield (
            f"log_prob of a single image must have shape (1,), but has {tuple(alone[0].shape)}: keep the "
            "dimension of the batch, which squeeze() drops."
        )
    elif not _same(torch.cat(alone), found):
        yield (
            "log_prob of an image depends on the others of the batch: let no layer mix images, as batch "
            "normalisation does in training."
        )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-4, atol=1e-3)


def _gradients(model: GenerativeModel, found: Tensor) -> Iterator[str]:
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trainable:
        yield "The model has no trainable parameters, so there are no gradients to score by."
    elif not found.requires_grad:
        yield (
            "log_prob is not differentiable by the parameters: let it neither detach nor leave torch, and "
            "evaluate nothing under torch.no_grad."
        )
    else:
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            found.sum(), list(trainable.values()), allow_unused=True
        )
        unused = [name for name, g in zip(trainable, gradients, strict=True) if g is None]
        if unused:
            yield (
                f"log_prob does not depend on {len(unused)} of {len(trainable)} parameter tensors "
                f"({unused[0]}, ...): use them, or set requires_grad to False."
            )


def _samples(model: GenerativeModel, image_shape: tuple[int, int, int]) -> Iterator[str]:
    try:
        samples = model.sample(2, torch.Generator().manual_seed(0))
    except _ERRORS as error:
        yield f"sample(2, generator) fails: {type(error).__name__}: {error}"
        return
    if tuple(getattr(samples, "shape", ())) != (2, *image_shape):
        yield (
            f"sample(2, generator) must return images of shape {(2, *image_shape)}, but returns "
            f"{tuple(getattr(samples, 'shape', ()))}."
        )
