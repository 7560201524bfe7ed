"""Gradients of log p for every tensor and group, and their squared norms, from one pass over a batch."""

from anomaly_methods.extractors.gradient_norms.engine import squared_gradient_norms, visit_gradients
from anomaly_methods.extractors.gradient_norms.reference import reference_gradients, reference_squared_norms

__all__ = ["reference_gradients", "reference_squared_norms", "squared_gradient_norms", "visit_gradients"]
