"""One row's share of a batch: its values and its random generator."""

from typing import Any

import numpy as np
from gymnasium.utils import seeding

Observations = np.ndarray | dict[str, np.ndarray]
"""Observations of N rows: one array (N, ...), or several by name."""


def new_generators(num_rows: int) -> tuple[list[np.random.Generator], list[int]]:
    """Returns N unseeded generators and the seeds that were drawn for them."""
    pairs = [seeding.np_random() for _ in range(num_rows)]
    return [rng for rng, _ in pairs], [seed for _, seed in pairs]


def index_row(observations: Observations, row: int) -> Any:  # noqa: ANN401 - an array, or several
    """Returns one row's observation."""
    if isinstance(observations, dict):
        return {name: values[row] for name, values in observations.items()}
    return observations[row]


def to_python(value: Any) -> Any:  # noqa: ANN401 - an entry of an array
    """Returns a NumPy scalar as a Python number; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value
