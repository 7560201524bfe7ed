"""Repeating for a batch, without Python's part in it, what was done for an earlier one of its shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.fallback import say_once
from anomaly_methods.extractors.gradient_norms.recorded import DecisionError, Recorded
from anomaly_methods.extractors.gradient_norms.recording import Recording, UnrecordableError
from anomaly_methods.extractors.gradient_norms.scratch import Scratch

__all__ = ["Replays"]

Found = dict[str, Tensor]
Compute = Callable[[Tensor], Found]

_USUAL = 2  # batches of a shape before one is recorded: what depends on parameters alone is known by then
_MISSES = 3  # batches whose decisions differ before nothing is repeated any more
_TOLERANCE = 1e-4  # as of the gradient norms themselves
_NOISE = 1e-8  # of the largest: gradients that are zero but for rounding


class Replays:
    """Recorded computations for a static model, one for each shape of batches.

    Tracing a forward pass and following its backward pass takes Python as long for one image as for
    hundreds. It comes to the same functions of torch for every batch of a shape, so these are recorded once.
    The next batch is computed in both ways, and what differs is never repeated again.

    Args:
        scratch: of the computations.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._usual: Counter[Hashable] = Counter()
        self._programs: dict[Hashable, Recorded] = {}
        self._trusted: set[Hashable] = set()
        self._misses = 0
        self._refused = False

    @property
    def are_there(self) -> bool:
        """Whether something was recorded, which holds as long as the parameters are what they were."""
        return bool(self._programs)

    def forget(self) -> None:
        """Keep nothing."""
        self._usual.clear()
        self._programs.clear()
        self._trusted.clear()
        self._misses = 0
        self._refused = False

    def refuse(self) -> None:
        """Record nothing, and repeat nothing any more."""
        self._refused = True
        self._programs.clear()

    def run(self, x: Tensor, settings: Hashable, compute: Compute, watch: Callable[[], None]) -> Found:
        """Return what `compute` returns for images (B, C, H, W), {name: (groups,)}.

        Args:
            x: the images.
            settings: whatever else may change the computation, apart from the parameters.
            compute: has no state but parameters and buffers.
            watch: called when something was recorded, to have `forget` called once one of these changes.
        """
        key = (x.shape, x.stride(), x.dtype, x.device, settings)
        if key in self._programs:
            return self._repeated(x, key, compute)
        if self._refused or self._usual[key] < _USUAL:
            found = compute(x)
            self._usual[key] += 1  # after it, since it may find that the parameters changed
            return found
        found = self._recorded(x, key, compute)
        if key in self._programs:
            watch()
        return found

    def _recorded(self, x: Tensor, key: Hashable, compute: Compute) -> Found:
        images = x.detach()
        recording = Recording(images, self._scratch.addresses)
        try:
            with recording:
                found = compute(images)
            self._programs[key] = recording.finish(found)
        except (UnrecordableError, RuntimeError):  # some functions of torch cannot be watched at all
            self.refuse()
            return compute(x)
        return found

    def _repeated(self, x: Tensor, key: Hashable, compute: Compute) -> Found:
        try:
            with torch.inference_mode():
                found = self._programs[key].run(x)
        except DecisionError:
            self._misses += 1
            if self._misses == _MISSES:
                self.refuse()
            return compute(x)
        except RuntimeError:  # whatever it is, the computation itself shows it
            self.refuse()
            return compute(x)
        if key in self._trusted:
            return _as_usual(found)
        expected = compute(x)
        if _agree(found, expected):
            self._trusted.add(key)
        else:
            self.refuse()
            say_once("A model that says that it is static does not do the same for every batch.")
        return expected


def _as_usual(found: Found) -> Found:
    """Return tensors that autograd may see again."""
    return dict(zip(found, torch.stack(list(found.values())).unbind(), strict=True))


def _agree(found: Found, expected: Found) -> bool:
    one, other = (torch.stack([values[name] for name in expected]) for values in (found, expected))
    largest = other.nan_to_num(0, 0, 0).max()
    return torch.allclose(one, other, rtol=_TOLERANCE, atol=_NOISE * float(largest), equal_nan=True)
