"""What is measured: one module for each subject of `python -m benchmarks`.

Each module has a function `run`, whose arguments are the options that the subject accepts and whose
result is a JSON document. Knows nothing of the command line.
"""
