"""A pointer over the prompt: which of its tokens followed where the text was as it is now.

Owns the encoded prompts of the rows. Knows nothing of tasks, actions or rewards.
"""

from dataclasses import dataclass

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine

SHARPNESS = 12.0
"""A position whose hidden state has the direction of the current one weighs exp(12) times as much
as one at right angles to it. Chosen on validation pairs."""

POINTER_WEIGHT = 0.4
"""Weight of the pointer in a mixture with the model, where it is not learned."""

TINY = np.float32(1e-20)
"""Keeps divisions by a norm or a sum of 0 finite."""

NO_TOKEN = -1
"""Fills the columns of prompts that have fewer distinct tokens than others."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt of P tokens; W of them are distinct, the first token not counted.

    Attributes:
        tokens: (W,) int64 distinct ids.
        followers: (P - 1,) int64 index in `tokens` of the token that follows each position.
        directions: (P - 1, D) float32 hidden states less their center, of length 1.
        center: (D,) float32 mean of the hidden states.
    """

    tokens: np.ndarray
    followers: np.ndarray
    directions: np.ndarray
    center: np.ndarray


class Pointer:
    """Weights of the tokens of each row's prompt.

    Each position of the prompt weighs exp(12 c), where c is the cosine between the hidden state
    there and the last one. The mean over the prompt is subtracted from both, because all hidden
    states of GPT-2 have similar directions.

    Sources: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426; the similar
    directions, Ethayarajh 2019, https://arxiv.org/abs/1909.00512.

    Args:
        engine: Computes hidden states.
        episodes: Holds the prompts.
    """

    def __init__(self, engine: Engine, episodes: EpisodeBuffer) -> None:
        self._engine, self._episodes = engine, episodes
        self._prompts: dict[bytes, EncodedPrompt] = {}  # those of the rows, by their ids

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns tokens (N, W) int64 and their weights (N, W) float32, whose sum is 1 a row.

        `NO_TOKEN` with weight 0 fills the columns of rows with fewer tokens. The numbers of a row
        depend on that row only.
        """
        prompts = self._encoded_prompts()
        centered = self._engine.outputs.hidden - [prompt.center for prompt in prompts]
        directions = _directions(centered)
        width = max(len(prompt.tokens) for prompt in prompts)
        tokens = np.full((len(prompts), width), NO_TOKEN)
        shares = np.zeros((len(prompts), width), np.float32)
        for row, prompt in enumerate(prompts):
            count = len(prompt.tokens)
            tokens[row, :count] = prompt.tokens
            shares[row, :count] = _shares(prompt, directions[row])
        return tokens, shares

    def _encoded_prompts(self) -> list[EncodedPrompt]:
        """Returns the rows' prompts; only those that have changed are encoded."""
        prompts = self._episodes.prompt_ids
        keys = [prompt.tobytes() for prompt in prompts]
        known = self._prompts
        new = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in known}
        if new:
            states = self._engine.hidden_states(list(new.values()))
            known = known | dict(zip(new, map(_encode, new.values(), states), strict=True))
            self._prompts = {key: known[key] for key in keys}
        return [known[key] for key in keys]


def _encode(prompt: np.ndarray, states: np.ndarray) -> EncodedPrompt:
    center = states.mean(0)
    tokens, followers = np.unique(prompt[1:], return_inverse=True)
    return EncodedPrompt(tokens, followers, _directions(states[:-1] - center), center)


def _shares(prompt: EncodedPrompt, direction: np.ndarray) -> np.ndarray:
    """Returns weights (W,) of a prompt's tokens for the direction (D,) of a hidden state."""
    weights = np.exp(SHARPNESS * (prompt.directions @ direction - 1.0))
    shares = np.bincount(prompt.followers, weights, len(prompt.tokens)) / max(weights.sum(), TINY)
    return np.minimum(shares, 1.0)  # rounding can lift a share slightly over 1


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors (..., D) scaled to length 1; 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)
