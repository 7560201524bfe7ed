"""What the forward pass leaves for the backward pass: the places where images meet parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.kinds import Kinds
from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient

if TYPE_CHECKING:
    from anomaly_methods.extractors.gradient_norms.memory import Memory

__all__ = ["KeptOutput", "Product", "Trace", "UntraceableError", "Use"]

_OUTPUT = "_gradient_norms_output"  # an attribute of a layer's output, as in `Kinds`
_PRODUCT = "_gradient_norms_product"  # an attribute of a root: its version and what it was made of
_FEW = 64  # numbers of which the gradients of all images may wait for the end of the backward pass


class UntraceableError(Exception):
    """The forward pass does something after which no per-group gradient can be found by rules."""


@dataclass(frozen=True, slots=True)
class Product:
    """A root `parameter * factor`, where the factor scales whole rows: shape (N, 1, ..., 1)."""

    parameter: Tensor
    factor: Tensor


@dataclass(eq=False, slots=True)
class Use:
    """One place where images meet a root, a tensor that is computed from parameters alone.

    Args:
        number: of the use in the forward pass.
        root: with its graph back to the parameters.
        product: what it was made of, where that is a parameter times a factor per row.
        version: of the root, as the images met it.
    """

    number: int
    root: Tensor
    product: Product | None
    version: int


@dataclass(eq=False, slots=True)
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
        memory: what was kept from the last batch.
    """

    def __init__(
        self, images: int, groups: int, parameters: Sequence[Tensor], device: torch.device, memory: Memory
    ) -> None:
        self.images = images
        self.groups = groups
        self.memory = memory
        self.kinds = Kinds(parameters, memory.roots)
        self.anchor = torch.zeros((), device=device, requires_grad=True)
        self.uses: list[Use] = []
        self.uncovered: list[tuple[Tensor, str]] = []
        self.deliver: Callable[[Use, PerGroupGradient], None] = _nowhere
        # By the ids and versions of roots, which `kinds` keeps alive.
        self.sources = dict(memory.sources)
        self._waiting: list[tuple[Tensor, Callable[[Tensor], None]]] = []

    def use(self, root: Tensor, *, keeps_rows: bool = False) -> Use:
        """Note one more use of a root."""
        use = Use(len(self.uses), root, _product(root) if keeps_rows else None, root._version)
        self.uses.append(use)
        return use

    def require_unchanged(self) -> None:
        """Refuse roots that were changed in place after their use: their graphs are those of other values.

        Raises:
            UntraceableError: there is one.
        """
        if any(use.root._version != use.version for use in self.uses):
            raise UntraceableError("its log_prob changes a function of parameters in place after its use")

    def give_up(self, root: Tensor, reason: str) -> None:
        """Note that the gradient of a root will not be known, and why."""
        self.uncovered.append((root, reason))

    def kept(self, output: Tensor) -> KeptOutput:
        """Keep the output of a layer, and notice whether it is overwritten."""
        kept = KeptOutput(output.detach(), output._version)
        setattr(output, _OUTPUT, kept)
        return kept

    def rectify(self, x: Tensor, relu: Callable[[], Any]) -> Any:
        """Run a ReLU. In place, it changes the output of a layer only where it makes the gradient zero."""
        kept: KeptOutput | None = getattr(x, _OUTPUT, None)
        unchanged = kept is not None and kept.is_valid
        result = relu()
        if kept is not None and unchanged:
            kept.version = x._version
        return result

    def note_expansion(self, result: Tensor, source: Tensor) -> None:
        """Remember that `result` only repeats `source`."""
        self.sources[_key(result)] = source

    def source(self, root: Tensor) -> Tensor:
        """Return what a root only repeats, or itself."""
        return self.sources.get(_key(root), root)

    def anchored(self, result: Tensor) -> Tensor:
        """Make a fresh tensor a part of the backward pass."""
        if result.requires_grad or not result.is_floating_point() or not torch.is_grad_enabled():
            return result
        anchored: Tensor = _Anchored.apply(self.anchor, result)
        return anchored

    def copies(self, values: Tensor, rows: int, deliver: Callable[[Tensor], None]) -> Tensor:
        """Repeat (1, ...) for `rows` rows; `deliver` gets the gradient of every repetition, (rows, ...)."""
        if values.numel() > _FEW:
            repeated: Tensor = _Copies.apply(self.anchor, values, rows, deliver)
            return repeated
        repeated = values.expand(rows, *values.shape[1:]).detach().requires_grad_()
        self._waiting.append((repeated, deliver))
        return repeated

    def run_backward(self, log_prob: Tensor) -> None:
        """Run the backward pass; the gradients go to `deliver`."""
        waiting, self._waiting = self._waiting, []
        leaves = [self.anchor, *(leaf for leaf, _ in waiting)]
        gradients = torch.autograd.grad(log_prob, leaves, torch.ones_like(log_prob), allow_unused=True)
        with torch.no_grad():
            for gradient, (_, deliver) in zip(gradients[1:], waiting, strict=True):
                if gradient is not None:
                    deliver(gradient)


def _key(root: Tensor) -> tuple[int, int]:
    """Return what tells a root from others, and from itself before it was changed in place."""
    return id(root), root._version


def _product(root: Tensor) -> Product | None:
    """Return what a root was made of, by its autograd graph, if it is a parameter times a factor per row."""
    version, product = getattr(root, _PRODUCT, (None, None))
    if version != root._version:
        product = _find_product(root)
        setattr(root, _PRODUCT, (root._version, product))
    return product


def _find_product(root: Tensor) -> Product | None:
    node: Any = root.grad_fn
    if node is None or node.name() != "MulBackward0":
        return None
    (one, _), (other, _) = node.next_functions
    for function, saved in ((one, "_saved_other"), (other, "_saved_self")):
        factor: Tensor | None = getattr(node, saved, None)
        parameter = getattr(function, "variable", None)
        if isinstance(parameter, Tensor) and factor is not None and _is_per_row(factor, parameter):
            return Product(parameter, factor)
    return None


def _is_per_row(factor: Tensor, parameter: Tensor) -> bool:
    if parameter.dim() < 2:
        return False
    return factor.shape == (parameter.shape[0], *(1 for _ in parameter.shape[1:]))


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
