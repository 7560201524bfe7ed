"""Which rule finds the per-group gradients of which function of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.rule_convolution import convolution, linear
from anomaly_methods.extractors.gradient_norms.rule_elementwise import ELEMENTWISE, elementwise
from anomaly_methods.extractors.gradient_norms.rule_embedding import embedding
from anomaly_methods.extractors.gradient_norms.rule_matmul import MATRIX_PRODUCTS, matrix_product
from anomaly_methods.extractors.gradient_norms.rule_normalization import NORMALIZATIONS, normalization
from anomaly_methods.extractors.gradient_norms.rule_prelu import prelu

__all__ = ["rule_for"]

Rule = Callable[[Call], Any]

_RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), convolution),
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(NORMALIZATIONS, normalization),
    **dict.fromkeys(MATRIX_PRODUCTS, matrix_product),
    # These take nothing from the root but its shape or type.
    **dict.fromkeys(("expand_as", "view_as", "reshape_as", "type_as"), Call.run_detached),
    "linear": linear,
    "embedding": embedding,
    "prelu": prelu,
}


def rule_for(call: Call) -> Rule:
    """Return the rule, or one that leaves the parameters of this call to the fallback."""
    return _RULES.get(call.name, _no_rule)


def _no_rule(call: Call) -> Any:
    return call.give_up(f"no rule covers {call.name}")
