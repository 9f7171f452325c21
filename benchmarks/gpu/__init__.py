"""`python -m benchmarks gpu`: checks and measures everything on one CUDA device in a few minutes.

Each section is a module with a function `run`, which reports rows of results one by one. A worker
process runs the sections; the process of the command line limits their time and writes the files.
"""
