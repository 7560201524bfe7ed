"""From a model's statistics of images to anomaly scores: extractors, methods, metrics, tables."""
