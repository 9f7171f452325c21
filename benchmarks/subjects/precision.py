"""Cost of rounding in quality: each dtype of arithmetic, and of the KV cache, on held-out passages.

Owns the comparison with float32. Nothing here is timed.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.models import model_folder
from benchmarks.subjects.defaults import DTYPES, MODEL
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.tasks.datasets import read_texts
from lm_envs.tokenizer import Tokenizer

PASSAGES = 64
TOKENS = 64
EXACT = "float32"
CACHES = {"auto": "held-out passages", "int8": "8-bit keys and values"}
"""Name of a row by the dtype of its KV cache; "auto" is the dtype of the arithmetic."""


def run(model: str = MODEL, dtypes: Sequence[str] = DTYPES) -> dict[str, Any]:
    """Perplexity of test passages, and the distance of each dtype's predictions from float32's.

    Each dtype has two rows: keys and values in the dtype of the arithmetic, and in 8 bits.
    `same_best_token` is the share of positions with the same most likely next token,
    `logprob_error` the mean absolute difference of a token's log-probability, nats.
    """
    folder = model_folder(model)
    tokens = _passages(Tokenizer.from_folder(folder))
    exact_best, exact_logprobs = _predict(folder, EXACT, "auto", tokens)
    results = []
    for dtype, cache_dtype in product(dict.fromkeys((EXACT, *dtypes)), CACHES):
        best, logprobs = _predict(folder, dtype, cache_dtype, tokens)
        row = {
            "what": CACHES[cache_dtype],
            "dtype": dtype,
            "perplexity": float(np.exp(-logprobs.mean())),
            "same_best_token": float((best == exact_best).mean()),
            "logprob_error": float(np.abs(logprobs - exact_logprobs).mean()),
        }
        results.append(row)
    return {"subject": "precision", "model": model, "rows": results}


def _passages(tokenizer: Tokenizer) -> np.ndarray:
    """(N, T) int64: the first `TOKENS` tokens of each test passage that is long enough."""
    encoded = (tokenizer.encode(text) for text in read_texts("embedded", "test", "text"))
    whole = [tokens[:TOKENS] for tokens in encoded if len(tokens) >= TOKENS]
    return np.array(whole[:PASSAGES])


def _predict(
    folder: Path, dtype: str, cache_dtype: str, tokens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Most likely next tokens, and log-probabilities of the passages' tokens; (T - 1, N) each.

    Decodes token by token, so that the KV cache's rounding counts as it does in an episode.
    """
    device = "cpu" if dtype == loading.INT8 else "auto"  # int8 arithmetic runs on the CPU only
    network = loading.load(folder, device, dtype)
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
