"""Learning benchmarks: sweeps over algorithms, tasks and seeds.

Owns which runs are trained and the statistics over them. How a run is trained is in `agents`.
"""
