"""Figures of performance, as ratios within one run: `python -m tests.benchmarks`."""
