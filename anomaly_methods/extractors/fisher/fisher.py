"""An estimate of the Fisher information, and the quadratic forms that it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from anomaly_methods.extractors.fisher.blocks import Block
from anomaly_methods.extractors.fisher.forms import QuadraticForm
from anomaly_methods.extractors.fisher.meta import FisherMeta
from anomaly_methods.extractors.gradient_norms.parameters import trainable_parameters
from models.base import GenerativeModel

__all__ = ["Fisher"]


@dataclass(frozen=True, eq=False)
class Fisher:
    """An estimate of F = E[g g^T], g the gradient of one image's log p, with one block per parameter tensor.

    Args:
        blocks: {parameter name: block}; what is between tensors is taken as zero.
        moments: {parameter name: means over images}, shaped as the block says.
        images: {parameter name: how many of the images had a finite gradient of it}.
        meta: where it comes from.
        sha256: of the moments.
    """

    blocks: Mapping[str, Block]
    moments: Mapping[str, Sequence[Tensor]]
    images: Mapping[str, int]
    meta: FisherMeta
    sha256: str
    _forms: dict[float, dict[str, QuadraticForm]] = field(default_factory=dict, init=False, repr=False)

    def damping(self, fraction: float) -> dict[str, float]:
        """Return what is added to the eigenvalues of each block: a fraction of their mean, trace / size.

        A tensor that none of the images moved has only zeros. It gets the fraction of the mean over all
        parameters, so that nothing is divided by zero.

        Raises:
            ValueError: the fraction is not positive, or F is zero altogether.
        """
        if not 0 < fraction < math.inf:
            raise ValueError(f"The damping must be a positive fraction of the mean of F, got {fraction}.")
        traces = {name: block.trace(self.moments[name]) for name, block in self.blocks.items()}
        overall = sum(traces.values()) / sum(block.numel for block in self.blocks.values())
        if not overall > 0:
            raise ValueError(
                f"The Fisher information of {self.meta.model!r} is zero: its log_prob depends on no "
                "parameter."
            )
        return {
            name: fraction * (trace / self.blocks[name].numel if trace > 0 else overall)
            for name, trace in traces.items()
        }

    def forms(self, fraction: float) -> dict[str, QuadraticForm]:
        """Return {parameter name: g -> g^T (F + damping I)^-1 g}, damping as `damping` says."""
        if fraction not in self._forms:  # eigenvectors of large sides take their time
            self._forms[fraction] = {
                name: self.blocks[name].form(self.moments[name], damping)
                for name, damping in self.damping(fraction).items()
            }
        return self._forms[fraction]

    def require_model(self, model: GenerativeModel) -> None:
        """Refuse a model with other parameter tensors.

        Raises:
            ValueError: naming one of them.
        """
        shapes = {name: tuple(p.shape) for name, p in trainable_parameters(model).items()}
        expected = {name: block.shape for name, block in self.blocks.items()}
        for name in {**shapes, **expected}:
            if shapes.get(name) != expected.get(name):
                raise ValueError(
                    f"The Fisher information of {self.meta.model!r} does not fit this model: {name!r} has "
                    f"shape {expected.get(name, 'none')} there and {shapes.get(name, 'none')} here."
                )
