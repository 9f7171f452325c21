"""Options of the reducers that tests fit."""

OPTIONS = {
    "compressed": {"dim": 5},
    "clustered": {"num_clusters": 12, "dim": 5},
    "hashed": {"bits": 6},
    "binned": {"dim": 3, "bins": 4},
}
