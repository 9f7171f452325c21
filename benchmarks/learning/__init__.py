"""Learning benchmarks: sweeps over algorithms, tasks and seeds."""
