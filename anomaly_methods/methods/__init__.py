"""Anomaly scores from statistics: one method per file, all of them in `registry`. Higher = more anomalous."""
