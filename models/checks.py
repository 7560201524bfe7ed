"""Whether a model of somebody's own is what the anomaly methods take it for, and what to mend if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar, get_args

import torch
from torch import Tensor

from invglow.training.failure import described
from models.base import Bound, GenerativeModel, StochasticModel

__all__ = ["check_model"]

_IMAGES = 4
_SET_UP = "parameters(), which needs super().__init__() first in the constructor,"
_Answer = TypeVar("_Answer")


class _FailedError(Exception):
    """What the model raised, as a sentence; nothing that follows in the same check can be seen then."""


def check_model(model: object, image_shape: tuple[int, int, int]) -> list[str]:
    """Try a model on random images and return what is wrong with it, one sentence each; empty if nothing is.

    Whatever the model raises is such a sentence too, but for a lack of memory and an interrupt. The model is
    tried in evaluation mode, where its parameters are, and left in the mode that it had.

    Args:
        model: what is meant to be a `GenerativeModel`.
        image_shape: (C, H, W) of the images that it is meant for.

    Raises:
        ValueError: `image_shape` is no shape of an image.
    """
    if not isinstance(model, GenerativeModel):
        return [f"{type(model).__name__} is no GenerativeModel: derive it from models.base.GenerativeModel."]
    sizes: tuple[object, ...] = image_shape
    if len(sizes) != 3 or not all(type(size) is int and size >= 1 for size in sizes):
        raise ValueError(
            f"image_shape must be three positive whole numbers, (C, H, W), but is {image_shape!r}."
        )
    found: list[str] = []
    try:
        where = _asked(_SET_UP, lambda: next((p.device for p in model.parameters()), None))
        with ExitStack() as stack:
            _asked("eval()", lambda: stack.enter_context(model.evaluating()))
            for sentences in _checks(model, image_shape, where or torch.device("cpu")):
                found.extend(_until_it_fails(sentences))
    except _FailedError as failed:
        found.append(str(failed))
    return found


def _checks(
    model: GenerativeModel, image_shape: tuple[int, int, int], where: torch.device
) -> tuple[Iterator[str], ...]:
    x = torch.rand(_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0)) - 0.5
    return (
        _image_shape(model, image_shape),
        _bound(model),
        _log_prob(model, x.to(where)),
        _noise_by_index(model, x.to(where)),
        _samples(model, image_shape),
    )


def _until_it_fails(sentences: Iterator[str]) -> Iterator[str]:
    try:
        yield from sentences
    except _FailedError as failed:
        yield str(failed)


def _asked(call: str, answer: Callable[[], _Answer]) -> _Answer:
    """Return what the model answers to a call; `call` says which, and what was passed."""
    try:
        return answer()
    except MemoryError:
        raise
    except Exception as error:  # a model of somebody's own may raise anything
        raise _FailedError(f"{call} fails: {described(error)}.") from error


def _image_shape(model: GenerativeModel, image_shape: tuple[int, int, int]) -> Iterator[str]:
    shape = _asked("image_shape", lambda: getattr(model, "image_shape", None))
    if not isinstance(shape, tuple | list) or tuple(shape) != tuple(image_shape):
        yield f"image_shape must be the tuple {tuple(image_shape)}, the shape of one image, but is {shape}."


def _bound(model: GenerativeModel) -> Iterator[str]:
    bound = _asked("bound", lambda: getattr(model, "bound", None))
    if not isinstance(bound, str) or bound not in get_args(Bound):
        yield f"bound must be one of {', '.join(get_args(Bound))}, which tables print, but is {bound!r}."


def _log_prob(model: GenerativeModel, x: Tensor) -> Iterator[str]:
    """Yield what is wrong with log_prob; without a value for each image there is no more to see."""
    before = x.clone()
    found: object = _asked_log_prob(model, x)
    if not isinstance(found, Tensor):
        yield f"log_prob must return a tensor, one number for each image, but returns {type(found).__name__}."
    elif not torch.equal(x, before):
        yield "log_prob changes the images that it is given: let it work on a copy."
    elif tuple(found.shape) != (len(x),):
        yield _wrong_shape(tuple(found.shape), len(x))
    else:
        yield from _until_it_fails(_values(model, x, found))
        yield from _gradients(model, found)


def _asked_log_prob(model: GenerativeModel, x: Tensor) -> object:
    """Return what log_prob returns, whatever it claims to be."""
    what = "a single image," if len(x) == 1 else "images of"
    return _asked(f"log_prob of {what} shape {tuple(x.shape)}", lambda: model.log_prob(x))


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
    elif not _same(_asked_log_prob(model, x), found):
        yield (
            "log_prob changes from call to call: draw its noise from a seed and the images or their "
            "index, as models.noise does."
        )
    else:
        yield from _values_alone(model, x, found)


def _values_alone(model: GenerativeModel, x: Tensor, found: Tensor) -> Iterator[str]:
    for one, expected in zip(x, found, strict=True):
        alone = _asked_log_prob(model, one[None])
        shape = _shape(alone)
        if shape != (1,):
            yield (
                f"log_prob of a single image must have shape (1,), but has {shape}: keep the "
                "dimension of the batch, which squeeze() drops."
            )
            return
        if not _same(alone, expected[None]):
            yield (
                "log_prob of an image depends on the others of the batch: let no layer mix images, as batch "
                "normalisation does in training."
            )
            return


@torch.no_grad()
def _noise_by_index(model: GenerativeModel, x: Tensor) -> Iterator[str]:
    """Yield what is wrong with the noise that a stochastic model draws by the images' indices."""
    if not isinstance(model, StochasticModel):
        return
    index = torch.arange(len(x), device=x.device)
    call = "log_prob(x, index)"
    found: object = _asked(call, lambda: model.log_prob(x, index))
    backwards: object = _asked(call, lambda: model.log_prob(x.flip(0), index.flip(0)))
    if not isinstance(found, Tensor) or _shape(found) != (len(x),):
        yield (
            f"{call} must return shape ({len(x)},) for {len(x)} images, as log_prob(x) does, but returns "
            f"{_shape(found)}."
        )
    elif not _same(backwards, found.flip(0)):
        yield (
            f"{call} of an image depends on its place in the batch: draw its noise from a seed and its index "
            "alone, as models.noise does."
        )


def _shape(found: object) -> tuple[int, ...] | str:
    """Return the shape of a tensor, or the type of what is none."""
    return tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__


def _same(a: object, b: Tensor) -> bool:
    if not isinstance(a, Tensor) or (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
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
        gradients: tuple[Tensor | None, ...] = _asked(
            "The gradient of log_prob by the parameters",
            lambda: torch.autograd.grad(found.sum(), list(trainable.values()), allow_unused=True),
        )
        unused = [name for name, g in zip(trainable, gradients, strict=True) if g is None]
        if unused:
            yield (
                f"log_prob does not depend on {len(unused)} of {len(trainable)} parameter tensors "
                f"({unused[0]}, ...): use them, or set requires_grad to False."
            )


def _samples(model: GenerativeModel, image_shape: tuple[int, int, int]) -> Iterator[str]:
    samples: object = _asked(
        "sample(2, generator)", lambda: model.sample(2, torch.Generator().manual_seed(0))
    )
    found = _shape(samples)
    if found != (2, *image_shape):
        yield f"sample(2, generator) must return images of shape {(2, *image_shape)}, but returns {found}."
