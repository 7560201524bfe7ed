"""Squared norms of the gradient of log p for every parameter tensor, from one pass over a batch."""

from anomaly_methods.extractors.gradient_norms.engine import squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.reference import reference_squared_norms

__all__ = ["reference_squared_norms", "squared_gradient_norms"]
