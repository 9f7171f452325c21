"""Fitted preferences as a score: "preference:FILE", a file of `python -m agents.preferences`.

Owns the features of a completion, the file, and the score. The same features are used for fitting
and for paying. Knows nothing of ratings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from lm_envs.storage import read_arrays, write_arrays
from lm_envs.tasks.rewards import token_scores
from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.model_scores import DECIMALS

PREFIX = "preference:"
KIND = "lm_envs preference"
VERSION = 1


def _log_length(completions: Completions) -> np.ndarray:
    """Logarithm of the number of tokens: unlike `length` it does not depend on the budget."""
    return np.log(np.maximum(completions.lengths, 1))


def _least_likely(completions: Completions) -> np.ndarray:
    """Log-probability of the least likely token, nats, -8 or more; 0 for an empty completion."""
    clipped = completions.logprobs.clip(token_scores.WORST_LOGPROB, 0.0)
    return np.where(completions.is_written, clipped, 0.0).min(1, initial=0.0)


def _prompt_share(completions: Completions) -> np.ndarray:
    """Share of the tokens that are in the prompt, in [0, 1]; 0 for an empty completion."""
    pairs = zip(completions.tokens, completions.lengths, completions.prompt_tokens, strict=True)
    return np.array([np.isin(own[:n], read).sum() / max(n, 1) for own, n, read in pairs], float)


FEATURES: Mapping[str, Callable[[Completions], np.ndarray]] = {
    "fluency": token_scores.fluency,
    "least_likely": _least_likely,
    "repetition": token_scores.TOKEN_SCORES["repetition"],
    "repetition_3": token_scores.TOKEN_SCORES["repetition_3"],
    "distinct_1": token_scores.TOKEN_SCORES["distinct_1"],
    "log_length": _log_length,
    "prompt_share": _prompt_share,
}
"""Features (N,) of N completions, beside the mean of their hidden states."""


def named_features(completions: Completions, rows: np.ndarray) -> np.ndarray:
    """Returns the values of `FEATURES` for `rows` (R,), (R, F) float64."""
    return np.stack([feature(completions)[rows] for feature in FEATURES.values()], 1)


def mean_states(completions: Completions, rows: np.ndarray) -> np.ndarray:
    """Returns the mean hidden state after the tokens of each completion, (R, D) float64.

    The model reads prompt and completion; of a text that is too long for it, the end.
    """
    assert completions.model is not None, "preferences need the language model"
    sequences, starts = [], []
    for row in rows.tolist():
        own = completions.tokens[row, : completions.lengths[row]]
        sequence = np.concatenate([completions.prompt_tokens[row], own])[
            -completions.model.longest :
        ]
        sequences.append(sequence)
        starts.append(max(len(sequence) - len(own), 0))
    return completions.model.mean_hidden_states(sequences, starts).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Preference:
    """Linear utility of a completion, fitted to ratings of one model's texts.

    Attributes:
        state_weights: (D,) float64 weights of the mean hidden state; zeros if it is not used.
        feature_weights: (F,) float64 weights of `FEATURES`.
        offset: Added, so that the rated texts have mean utility 0.
        model: Fingerprint of the model.
        facts: What else the file's header has, such as the held-out agreement.
    """

    state_weights: np.ndarray
    feature_weights: np.ndarray
    offset: float
    model: str
    facts: Mapping[str, Any]

    def utilities(self, states: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Returns utilities (R,): their difference is the log-odds of being preferred.

        Args:
            states: (R, D), of `mean_states`.
            features: (R, F), of `named_features`.
        """
        return states @ self.state_weights + features @ self.feature_weights + self.offset

    def save(self, path: Path) -> None:
        """Writes a safetensors file, atomically."""
        arrays = {
            "state_weights": self.state_weights,
            "feature_weights": self.feature_weights,
            "offset": np.array([self.offset]),
        }
        header = {"kind": KIND, "version": VERSION, "fingerprint": self.model}
        write_arrays(path, arrays, {**self.facts, **header, "features": list(FEATURES)})


def load_preference(path: Path) -> Preference:
    """Reads a file of `Preference.save`; executes no code of it.

    Raises:
        ValueError: If there is no such file, or it is malformed or of another version.
    """
    arrays, header = read_arrays(path, [KIND])
    shapes = {name: array.ndim for name, array in arrays.items()}
    is_whole = shapes == {"state_weights": 1, "feature_weights": 1, "offset": 1}
    features = header.get("features")
    if (
        not is_whole
        or not all(np.isfinite(array).all() for array in arrays.values())
        or header.get("version") != VERSION
        or features != list(FEATURES)
        or len(arrays["feature_weights"]) != len(FEATURES)
        or not isinstance(header.get("fingerprint"), str)
    ):
        raise ValueError(
            f"Got {path}, version {header.get('version')!r} with features {features!r}; allowed: "
            f"version {VERSION} with {list(FEATURES)} and finite weights. Fit it again by `python "
            "-m agents.preferences`."
        )
    named = {name: arrays[name].astype(np.float64) for name in ("state_weights", "feature_weights")}
    return Preference(
        **named, offset=float(arrays["offset"][0]), model=header["fingerprint"], facts=header
    )


class PreferenceScore:
    """Probability that raters prefer a text to a typical rated one, in [0, 1]; 0 if it is empty.

    The logistic function of the utility. Each call reads prompt and completion with the model, so
    with `dense=False` it costs one pass an episode, and with `dense=True` one a step.
    Source: Bradley and Terry 1952, https://doi.org/10.2307/2334029.

    Args:
        name: "preference:FILE".

    Attributes:
        model: Fingerprint of the model that the file belongs to.

    Raises:
        ValueError: If the file cannot be read.
    """

    def __init__(self, name: str) -> None:
        self._preference = load_preference(Path(name.removeprefix(PREFIX)).expanduser())
        self.model = self._preference.model

    def __call__(self, completions: Completions, rows: np.ndarray) -> np.ndarray:
        """Returns scores (R,) float64 of `rows` (R,)."""
        scores = np.zeros(len(rows))
        is_written = completions.lengths[rows] > 0
        written = rows[is_written]
        if len(written):
            states = mean_states(completions, written)
            utilities = self._preference.utilities(states, named_features(completions, written))
            scores[is_written] = 1.0 / (1.0 + np.exp(-utilities.clip(-30.0, 30.0)))
        return scores.round(DECIMALS)


def is_preference(source: object) -> TypeGuard[str]:
    """Returns whether a score is named "preference:FILE"."""
    return isinstance(source, str) and source.startswith(PREFIX)
