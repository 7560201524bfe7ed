"""Images that carry their index along, for models that draw random numbers by it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.base import Estimate, GenerativeModel, StochasticModel, said_of

__all__ = ["IndexedModel", "images_for", "indexed", "noise_settings", "with_index"]

_PIECES, _BITS = 4, 16  # of an index: single precision holds each piece exactly


class IndexedModel(GenerativeModel):
    """A stochastic model whose images carry their index in further channels, as `with_index` adds them.

    So an index goes wherever its image goes: into parts of a batch, through `vmap`, into a computation that
    is recorded and repeated. Modules, parameters and buffers are those of the model itself, under its names.

    Args:
        model: in evaluation mode.
    """

    _model: StochasticModel

    def __init__(self, model: StochasticModel) -> None:
        super().__init__()
        self._modules, self._parameters, self._buffers = model._modules, model._parameters, model._buffers
        self.__dict__["_model"] = model  # which a module would otherwise count among its parts
        self.training = model.training
        channels, height, width = model.image_shape
        self.image_shape = (channels + _PIECES, height, width)
        self.bound, self.evaluation, self.is_static = model.bound, model.evaluation, model.is_static

    def log_prob(self, x: Tensor) -> Tensor:
        return self.estimate(x).log_prob

    def estimate(self, x: Tensor) -> Estimate:
        images, index = _apart(x)
        with said_of(self._model, "log_prob", images):
            return self._model.estimate(images, index)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        images = self._model.sample(n, generator, temperature)
        return with_index(images, torch.arange(n))


def indexed(model: GenerativeModel) -> GenerativeModel:
    """Return a model for what `images_for` returns: itself, or of a stochastic one an `IndexedModel`.

    The latter's class is called what the model's is, which sentences name.
    """
    if not isinstance(model, StochasticModel):
        return model
    named: type[IndexedModel] = type(type(model).__name__, (IndexedModel,), {})
    return named(model)


def noise_settings(model: GenerativeModel) -> Mapping[str, str]:
    """Return what settings of statistics say of a model's own noise, another one in earlier versions."""
    return {"model_noise": "by index"} if isinstance(model, StochasticModel) else {}


def images_for(model: GenerativeModel, x: Tensor, index: Tensor) -> Tensor:
    """Return images as a model that `indexed` returned takes them, channels last in memory.

    Args:
        model: the model.
        x: images (B, C, H, W).
        index: (B,), int64, at least 0.
    """
    given = with_index(x, index) if isinstance(model, IndexedModel) else x
    return given.contiguous(memory_format=torch.channels_last)


def with_index(x: Tensor, index: Tensor) -> Tensor:
    """Return images (B, C + 4, H, W) that carry an index each.

    Args:
        x: images (B, C, H, W), in single or double precision.
        index: (B,), int64, at least 0.
    """
    pieces = (index.to(x.device)[:, None] >> _shifts(x)) & ((1 << _BITS) - 1)
    planes = pieces.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat((x, planes), dim=1)


def _apart(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images (B, C, H, W), channels last in memory, and their indices (B,)."""
    index = (x[:, -_PIECES:, 0, 0].long() << _shifts(x)).sum(dim=1)
    return x[:, :-_PIECES].contiguous(memory_format=torch.channels_last), index


def _shifts(x: Tensor) -> Tensor:
    return _BITS * torch.arange(_PIECES, device=x.device)
