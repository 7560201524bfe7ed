"""PReLU, written with functions that work elementwise."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.calls import Call

__all__ = ["prelu"]


def prelu(call: Call) -> Tensor:
    """Run a PReLU with its learned slope (1,) or (C,) as one product."""
    arguments = call.arguments(("input", "weight"))
    x, slope = arguments["input"], arguments["weight"]
    with call.tracing:
        return torch.where(x > 0, x, x * slope.view(-1, *(1 for _ in x.shape[2:])))
