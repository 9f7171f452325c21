"""Training by Ray RLlib: rows in several processes, on one machine or on a cluster."""
