"""Figures: each module draws one from saved statistics, and runs as `python -m plots.<figure>`."""
