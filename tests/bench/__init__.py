"""Benchmarks: `python -m tests.bench [NAME ...] [--json]`.

Each checks its answers first, then measures what it compares side by side in the same run, in
turns, and prints ratios: absolute times depend on the machine, ratios much less.
"""
