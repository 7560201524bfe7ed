"""Gradients measured by the Fisher information, as statistics: one value per parameter tensor and group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.fisher.fisher import Fisher
from anomaly_methods.extractors.fisher.forms import QuadraticForm
from anomaly_methods.extractors.gradient_norms.checks import tensors_to_leave_apart
from anomaly_methods.extractors.gradient_norms.engine import visit_gradients
from anomaly_methods.extractors.gradient_norms.known_models import KnownModels
from anomaly_methods.extractors.gradient_norms.parameters import described_parameters, trainable_parameters
from anomaly_methods.fisher_options import DEFAULT_DAMPING
from models.base import GenerativeModel

__all__ = ["FISHER_EXTRACTORS", "FisherDiagonalExtractor", "FisherExtractor", "FisherKroneckerExtractor"]


class FisherExtractor(Extractor):
    """`g_l^T (F_l + damping_l I)^-1 g_l` of every group, g_l the gradient with respect to tensor l.

    g is the gradient of the summed log p of the group's images, F = E[g g^T] over single images, F_l the part
    of it that the structure keeps for tensor l, and damping_l a fraction of the mean of its diagonal. Of an
    image like those that F is from, with one image per group, the value is in the mean
    `sum_j e_j / (e_j + damping_l)` over the eigenvalues e_j of F_l: somewhat less than the number of
    parameters.

    Args:
        fisher: an estimate for the model that will be asked.
        group_size: consecutive images that make one group, and one row.
        damping: the fraction, > 0.

    Raises:
        ValueError: the damping is not positive, or F is zero or of another structure.
    """

    structure: ClassVar[str]
    unit: ClassVar[str] = "none (squared gradient over Fisher information)"
    needs_gradients: ClassVar[bool] = True

    def __init__(self, fisher: Fisher, group_size: int = 1, damping: float = DEFAULT_DAMPING) -> None:
        super().__init__(group_size)
        if fisher.meta.structure != self.structure:
            raise ValueError(
                f"{type(self).__name__} needs a Fisher information of structure {self.structure!r}, got "
                f"{fisher.meta.structure!r}."
            )
        self.fisher = fisher
        self.damping = damping
        fisher.damping(damping)  # what cannot be used is refused here
        self._forms: Mapping[str, QuadraticForm] = {}
        self._known = KnownModels(self._prepare)

    def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        apart, memory = self._known.ask(model, x)
        return visit_gradients(model, x, self._value, self.group_size, apart=apart, memory=memory)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The damping, and which Fisher information: its structure, source, images, seed and checksum."""
        meta = self.fisher.meta
        return {
            "damping": self.damping,
            "fisher": {
                "structure": meta.structure,
                "source": meta.source,
                "dataset": meta.dataset,
                "images": meta.images,
                "seed": meta.seed,
                "sha256": self.fisher.sha256,
            },
        }

    def details(self, model: GenerativeModel) -> Mapping[str, Any]:
        """Return {name: numel, shape, module type, block and images of F} of every tensor."""
        fisher = self.fisher
        return {
            name: {**entries, "block": str(fisher.blocks[name]), "fisher_images": fisher.images[name]}
            for name, entries in described_parameters(model).items()
        }

    def _prepare(self, model: GenerativeModel, x: Tensor) -> tuple[str, ...]:
        """Get ready for a model; return the tensors that the rules get wrong."""
        self.fisher.require_model(model)
        parameters = trainable_parameters(model)
        forms = self.fisher.forms(self.damping)
        self._forms = {name: form.to(x.device, parameters[name].dtype) for name, form in forms.items()}
        return tensors_to_leave_apart(model, x, self.group_size)

    def _value(self, name: str, gradients: Tensor) -> Tensor:
        return self._forms[name](gradients)


class FisherDiagonalExtractor(FisherExtractor):
    """`sum_j g_j^2 / (F_jj + damping)` over the entries of every tensor, F_jj = E[g_j^2]."""

    name: ClassVar[str] = "fisher_diagonal"
    structure: ClassVar[str] = "diagonal"
    version: ClassVar[int] = 1


class FisherKroneckerExtractor(FisherExtractor):
    """`g^T (F + damping I)^-1 g` of every tensor, F its whole block or a `KroneckerBlock`'s product."""

    name: ClassVar[str] = "fisher_kronecker"
    structure: ClassVar[str] = "kronecker"
    version: ClassVar[int] = 1


FISHER_EXTRACTORS: Mapping[str, type[FisherExtractor]] = {
    extractor.structure: extractor for extractor in (FisherDiagonalExtractor, FisherKroneckerExtractor)
}
"""{structure: the extractor that takes a Fisher information of it}."""
