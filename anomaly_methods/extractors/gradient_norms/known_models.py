"""What is known of the models whose gradients were asked for."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.memory import Memory
from models.base import GenerativeModel

__all__ = ["KnownModels"]

Apart = tuple[str, ...]


class KnownModels:
    """For every model a memory, and the tensors that the rules get wrong.

    What a model does with its images can depend on how many there are: rows that are none, such as channels,
    may be taken for images where they are as many. So the first batch of every size is checked.

    Args:
        check: returns the names of the tensors that the rules get wrong, by a batch of images.
    """

    def __init__(self, check: Callable[[GenerativeModel, Tensor], Apart]) -> None:
        self._check = check
        self._memories: WeakKeyDictionary[GenerativeModel, Memory] = WeakKeyDictionary()
        self._apart: WeakKeyDictionary[GenerativeModel, dict[int, Apart]] = WeakKeyDictionary()

    def ask(self, model: GenerativeModel, x: Tensor) -> tuple[Apart, Memory]:
        """Return the tensors to compute apart for images (B, C, H, W), and the memory of the model."""
        checked = self._apart.setdefault(model, {})
        if len(x) not in checked:
            checked[len(x)] = self._check(model, x)
        return checked[len(x)], self._memories.setdefault(model, Memory())
