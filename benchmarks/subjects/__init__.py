"""What is measured: one module for each subject of `python -m benchmarks`."""
