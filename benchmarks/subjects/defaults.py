"""Default arguments that the subjects share."""

from benchmarks.harness.models import GPT2_124M
from lm_envs.model.loading import DTYPES as FLOAT_DTYPES

MODEL = GPT2_124M
ROWS = (1, 8, 64)
DTYPES = tuple(FLOAT_DTYPES)
REPEATS = 5
"""Timed runs of each competitor; an odd number, so that the median is one of them."""
