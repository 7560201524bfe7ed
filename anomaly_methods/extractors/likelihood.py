"""Log-likelihoods of images and, for multi-scale models, the share of every scale."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from anomaly_methods.extractors.base import Extractor, require_shape
from models.base import GenerativeModel, MultiScaleModel, said_of

__all__ = ["STANDARD_ERROR", "LikelihoodExtractor"]

STANDARD_ERROR = "log_prob.standard_error"


class LikelihoodExtractor(Extractor):
    """`log_prob` in nats, summed over dimensions and over the images of a group.

    Where that is a mean over random draws also `log_prob.standard_error`, the standard error of that sum.

    For a `MultiScaleModel` also `log_prob.scaleS`, `log_det.scaleS` and `log_prior.scaleS` for S = 0 (finest)
    on, where log_prob.scaleS = log_det.scaleS + log_prior.scaleS and log_prob is the sum of these shares.

    References:
        Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and
        Features (Schirrmeister et al., 2020), equation 3; docs/methods.md, equation 3.
    """

    name: ClassVar[str] = "likelihood"
    version: ClassVar[int] = 1
    standard_errors: ClassVar[frozenset[str]] = frozenset({STANDARD_ERROR})

    def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        if not isinstance(model, MultiScaleModel):
            return self._estimated(model, x)
        with said_of(model, "scale_terms", x):
            terms = dict(zip(("log_det", "log_prior"), model.scale_terms(x), strict=True))
        for name, term in terms.items():
            require_shape(term, (len(x), model.scales), name)
        sums = {name: self._summed(term) for name, term in terms.items()}
        shares = {"log_prob": sums["log_det"] + sums["log_prior"], **sums}
        by_scale = {
            f"{name}.scale{scale}": term[:, scale]
            for name, term in shares.items()
            for scale in range(model.scales)
        }
        return {"log_prob": shares["log_prob"].sum(dim=1), **by_scale}

    def _estimated(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        with said_of(model, "log_prob", x):
            log_prob, error = model.estimate(x)
        require_shape(log_prob, (len(x),), "log_prob")
        found = {"log_prob": self._summed(log_prob)}
        if error is not None:
            require_shape(error, (len(x),), "standard_error")
            found[STANDARD_ERROR] = self._summed(error.square()).sqrt()
        return found

    def _summed(self, values: Tensor) -> Tensor:
        """Sum (B, ...) over each group: (B // group_size, ...), float64, on the CPU."""
        groups: Tensor = values.detach().cpu().to(torch.float64).unflatten(0, (-1, self.group_size))
        return groups.sum(dim=1)
