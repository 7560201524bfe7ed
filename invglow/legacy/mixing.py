"""What the factors of a channel mixing must be for its diagonal to give its log-determinant."""

from __future__ import annotations

import torch
from torch import Tensor

from invglow.legacy.part import FormError

__all__ = ["require_lu_factors"]


def require_lu_factors(permutation: Tensor, sign: Tensor, where: str) -> None:
    """Refuse factors P (C, C) and signs (C,) of `W = P (L + I) (U + diag(sign * exp(log_diagonal)))`.

    The log-determinant is the sum of `log_diagonal` only where P permutes and the signs are 1 or -1.

    Raises:
        FormError: one of them does not, naming the mixing by `where` it is.
    """
    ones = torch.ones_like(sign)
    sums = (permutation.sum(dim=0), permutation.sum(dim=1))
    is_binary = bool(((permutation == 0) | (permutation == 1)).all())
    if not is_binary or not all(torch.equal(found, ones) for found in sums):
        raise FormError(f"{where} has a permutation that is none")
    if not torch.equal(sign.abs(), ones):
        raise FormError(f"{where} has signs other than 1 and -1")
