"""Speed and memory, measured as ratios on one machine in one run: `python -m benchmarks.glow`."""
