"""Features of observations that learn from labels, for `observation={"features": [...]}`."""
