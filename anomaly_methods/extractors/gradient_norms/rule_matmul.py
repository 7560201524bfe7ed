"""Matrix products of images with a matrix of parameters: linear layers under another name."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms.calls import Call

__all__ = ["MATRIX_PRODUCTS", "matrix_product"]

MATRIX_PRODUCTS = frozenset({"matmul", "mm", "__matmul__"})


def matrix_product(call: Call) -> Any:
    """Write `images @ matrix` as a linear layer; leave other products to the fallback."""
    if len(call.args) != 2 or call.is_root(call.args[0]) or call.args[1].dim() != 2:
        return call.give_up(f"{call.name} has the parameters on its left or not as one matrix")
    image, matrix = call.args
    with call.tracing:
        return F.linear(image, matrix.t())
