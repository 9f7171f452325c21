"""What rounding costs: types of arithmetic, and of keys and values, on held-out passages."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.models import folder_of
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.tasks.datasets import read_texts
from lm_envs.tokenizer import Tokenizer

PASSAGES = 64
TOKENS = 64
EXACT = "float32"
CACHES = {"auto": "held-out passages", "int8": "8-bit keys and values"}
"""What keys and values are kept in, and what its rows are called."""


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Perplexity of test passages, and how often and how far the next words differ from float32's.

    Each type has two rows: keys and values kept as the arithmetic is, and in 8 bits.
    `same_best_word` is the share of places with the same best next word, `logprob_error` the mean
    distance of a word's log-probability from float32's, nats. Nothing here is timed: `rows` and
    `repeats` are not used.
    """
    folder = folder_of(model)
    tokens = _passages(Tokenizer.from_folder(folder))
    exact = _read(folder, EXACT, "auto", tokens)
    results = []
    for dtype, cache_dtype in product(dict.fromkeys((EXACT, *dtypes)), CACHES):
        best, logprobs = _read(folder, dtype, cache_dtype, tokens)
        row = {
            "what": CACHES[cache_dtype],
            "dtype": dtype,
            "perplexity": float(np.exp(-logprobs.mean())),
            "same_best_word": float((best == exact[0]).mean()),
            "logprob_error": float(np.abs(logprobs - exact[1]).mean()),
        }
        results.append(row)
    return {"subject": "precision", "model": model, "rows": results}


def _passages(tokenizer: Tokenizer) -> np.ndarray:
    """(N, T) int64: how the test passages that are long enough begin."""
    encoded = (tokenizer.encode(text) for text in read_texts("embedded", "test", "text"))
    whole = [tokens[:TOKENS] for tokens in encoded if len(tokens) >= TOKENS]
    return np.array(whole[:PASSAGES])


def _read(
    folder: Path, dtype: str, cache_dtype: str, tokens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best next words and the passages' log-probabilities, (T - 1, N) each, read word by word."""
    network = loading.load(folder, "cpu", dtype)
    engine = Engine(
        network,
        len(tokens),
        capacity=TOKENS,
        num_candidates=16,
        end_token=0,
        cache_dtype=cache_dtype,
    )
    outputs = engine.prefill(np.arange(len(tokens)), list(tokens[:, :1]))
    best, logprobs = [], []
    for column in tokens.T[1:]:
        best.append(outputs.candidates[:, 0])
        outputs = engine.decode(column)
        logprobs.append(outputs.chosen.astype(np.float64))
    return np.array(best), np.array(logprobs)
