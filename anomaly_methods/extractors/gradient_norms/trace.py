"""What the forward pass leaves for the backward pass: the places where images meet parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from anomaly_methods.extractors.gradient_norms.kinds import Kinds
from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient

__all__ = ["KeptOutput", "Product", "Trace", "UntraceableError", "Use"]


class UntraceableError(Exception):
    """The forward pass does something after which no per-group gradient can be found by rules."""


@dataclass(frozen=True)
class Product:
    """A root `parameter * factor`, where the factor scales whole rows: shape (N, 1, ..., 1)."""

    parameter: Tensor
    factor: Tensor


@dataclass(eq=False)
class Use:
    """One place where images meet a root, a tensor that is computed from parameters alone.

    Args:
        root: with its graph back to the parameters.
        product: what it was made of, where that is a parameter times a factor per row.
        keeps_rows: whether the gradient knows its norm and row products without being formed.
    """

    root: Tensor
    product: Product | None
    keeps_rows: bool


@dataclass(eq=False)
class KeptOutput:
    """The output of a layer, valid wherever its gradient is not zero as long as the version is this."""

    values: Tensor
    version: int

    @property
    def is_valid(self) -> bool:
        """Whether nothing but a ReLU has overwritten it."""
        return bool(self.values._version == self.version)


class Trace:
    """The uses of parameters in one forward pass, and where their gradients go.

    Args:
        images: in the batch.
        groups: of images.
        parameters: of the model.
        device: of the images.
    """

    def __init__(self, images: int, groups: int, parameters: Sequence[Tensor], device: torch.device) -> None:
        self.images = images
        self.groups = groups
        self.kinds = Kinds(parameters)
        self.anchor = torch.zeros((), device=device, requires_grad=True)
        self.uses: list[Use] = []
        self.uncovered: list[tuple[Tensor, str]] = []
        self.deliver: Callable[[Use, PerGroupGradient], None] = _nowhere
        self._outputs: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._products: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._sources: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def use(self, root: Tensor, *, keeps_rows: bool = False) -> Use:
        """Note one more use of a root."""
        product = self._products.get(root) if keeps_rows else None
        use = Use(root, product, keeps_rows)
        self.uses.append(use)
        return use

    def give_up(self, root: Tensor, reason: str) -> None:
        """Note that the gradient of a root will not be known, and why."""
        self.uncovered.append((root, reason))

    def kept(self, output: Tensor) -> KeptOutput:
        """Keep the output of a layer, and notice whether it is overwritten."""
        kept = KeptOutput(output.detach(), output._version)
        self._outputs[output] = kept
        return kept

    def rectify(self, x: Tensor, relu: Callable[[], Any]) -> Any:
        """Run a ReLU. In place, it changes the output of a layer only where it makes the gradient zero."""
        kept: KeptOutput | None = self._outputs.get(x)
        unchanged = kept is not None and kept.is_valid
        result = relu()
        if kept is not None and unchanged:
            kept.version = x._version
        return result

    def note_product(self, result: Tensor, one: object, other: object) -> None:
        """Remember `result = one * other` if that is a parameter times a factor per row."""
        for parameter, factor in ((one, other), (other, one)):
            if _is_rows_scaled(parameter, factor):
                self._products[result] = Product(parameter, factor)  # type: ignore[arg-type]

    def note_expansion(self, result: Tensor, source: Tensor) -> None:
        """Remember that `result` only repeats `source`."""
        self._sources[result] = source

    def source(self, root: Tensor) -> Tensor:
        """Return what a root only repeats, or itself."""
        found: Tensor = self._sources.get(root, root)
        return found

    def anchored(self, result: Tensor) -> Tensor:
        """Make a fresh tensor a part of the backward pass."""
        if result.requires_grad or not result.is_floating_point() or not torch.is_grad_enabled():
            return result
        anchored: Tensor = _Anchored.apply(self.anchor, result)
        return anchored

    def copies(self, values: Tensor, rows: int, deliver: Callable[[Tensor], None]) -> Tensor:
        """Repeat (1, ...) for `rows` rows; `deliver` gets the gradient of every repetition, (rows, ...)."""
        repeated: Tensor = _Copies.apply(self.anchor, values.detach(), rows, deliver)
        return repeated


def _is_rows_scaled(parameter: object, factor: object) -> bool:
    return (
        isinstance(parameter, Tensor)
        and isinstance(factor, Tensor)
        and parameter.is_leaf
        and parameter.requires_grad
        and parameter.dim() >= 2
        and factor.shape == (parameter.shape[0], *(1 for _ in parameter.shape[1:]))
    )


def _nowhere(_use: Use, _gradient: PerGroupGradient) -> None:
    raise RuntimeError("The backward pass began before anything could take its gradients.")


class _Anchored(torch.autograd.Function):
    """The identity, in place: the result depends on the anchor, so that the backward pass visits it."""

    @staticmethod
    def forward(ctx: Any, _anchor: Tensor, result: Tensor) -> Tensor:
        ctx.mark_dirty(result)
        return result

    @staticmethod
    def backward(_ctx: Any, *_: Tensor) -> tuple[None, None]:
        return None, None


class _Copies(torch.autograd.Function):
    """A tensor repeated for every row, whose gradients are handed over one by one instead of summed."""

    @staticmethod
    def forward(
        ctx: Any, _anchor: Tensor, values: Tensor, rows: int, deliver: Callable[[Tensor], None]
    ) -> Tensor:
        ctx.deliver = deliver
        return values.expand(rows, *values.shape[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None, None]:
        ctx.deliver(gradients[0])
        return None, None, None, None
