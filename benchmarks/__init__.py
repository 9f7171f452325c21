"""Benchmarks of speed, memory and learning: `python -m benchmarks <subject>`.

Owns what is measured and how results are stored and shown. Nothing imports this package.
"""
