"""Which words of its prompt a text points to, by the model's own hidden states.

Owns what is made of the rows' prompts. Knows nothing of tasks, actions or rewards.
"""

from dataclasses import dataclass

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine

SHARPNESS = 12.0
"""Places whose direction is that of the text weigh exp(12) times those at right angles to it."""

TINY = np.float32(1e-20)
"""Divides what nothing else can divide."""

NO_WORD = -1
"""Stands beside the words of prompts that have fewer than others."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt of P tokens, after each of which but the last stands one of W words.

    Attributes:
        words: (W,) int64 distinct ids.
        followers: (P - 1,) int64 which of them stands after each place.
        directions: (P - 1, D) float32 hidden states there, less their center, of length 1.
        center: (D,) float32 mean of the hidden states.
    """

    words: np.ndarray
    followers: np.ndarray
    directions: np.ndarray
    center: np.ndarray


class Pointer:
    """Shares of the words of each row's prompt: they followed where the text was as it is now.

    Each place of the prompt weighs exp(12 c), where c is the cosine between the hidden state there
    and the last one, both less the mean over the prompt: GPT-2's hidden states all point one way.

    Sources: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426; the one way,
    Ethayarajh 2019, https://arxiv.org/abs/1909.00512.

    Args:
        engine: The model.
        episodes: Whose prompts are meant.
    """

    def __init__(self, engine: Engine, episodes: EpisodeBuffer) -> None:
        self._engine, self._episodes = engine, episodes
        self._prompts: dict[bytes, EncodedPrompt] = {}  # those of the rows, by their ids

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Words (N, W) int64 and what each weighs (N, W) float32, up to 1 a row.

        Beside the words of rows with fewer stands `NO_WORD`, which weighs nothing. A row's numbers
        depend on that row only.
        """
        prompts = self._read()
        toward = _directions(self._engine.outputs.hidden - [prompt.center for prompt in prompts])
        width = max(len(prompt.words) for prompt in prompts)
        words = np.full((len(prompts), width), NO_WORD)
        shares = np.zeros((len(prompts), width), np.float32)
        for row, prompt in enumerate(prompts):
            count = len(prompt.words)
            words[row, :count] = prompt.words
            shares[row, :count] = _shares(prompt, toward[row])
        return words, shares

    def _read(self) -> list[EncodedPrompt]:
        """The rows' prompts; only those that have changed are read through."""
        texts = self._episodes.prompt_ids
        keys = [text.tobytes() for text in texts]
        known = self._prompts
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            states = self._engine.hidden_states(list(new.values()))
            known = known | dict(zip(new, map(_read_through, new.values(), states), strict=True))
            self._prompts = {key: known[key] for key in keys}
        return [known[key] for key in keys]


def _read_through(prompt: np.ndarray, states: np.ndarray) -> EncodedPrompt:
    center = states.mean(0)
    words, followers = np.unique(prompt[1:], return_inverse=True)
    return EncodedPrompt(words, followers, _directions(states[:-1] - center), center)


def _shares(prompt: EncodedPrompt, toward: np.ndarray) -> np.ndarray:
    """What the words (W,) of a prompt weigh, seen in the direction (D,) of a hidden state."""
    weights = np.exp(SHARPNESS * (prompt.directions @ toward - 1.0))
    shares = np.bincount(prompt.followers, weights, len(prompt.words)) / max(weights.sum(), TINY)
    return np.minimum(shares, 1.0)  # one word's may be rounded to a little more


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) of length 1; 0 stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)
