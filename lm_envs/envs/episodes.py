"""What N rows have written: the only writer of the episode arrays.

Owns prompts, tokens, log-probabilities, rewards and texts of the running episodes. Knows nothing of
models, spaces or when an episode is over.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from lm_envs.tasks.scores import Drafts
from lm_envs.tasks.task import Example
from lm_envs.tokenizer import Tokenizer, text_of
from lm_envs.transcript import Ending, Transcript


class Episodes:
    """N episodes side by side.

    Attributes:
        tokens: (N, B) int64 ids written; B is the token budget.
        logprobs: (N, B) float64 log-probabilities of the written tokens, nats.
        rewards: (N, B) float64 reward of each written token.
        counts: (N,) int64 tokens written.
        texts: N strings written so far.
        prompts: N arrays (P,) int64.
        endings: How each row ended, None while it runs.
        values: (N,) float64 value of each draft when it was last judged.
    """

    def __init__(self, num_rows: int, budget: int, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.tokens = np.zeros((num_rows, budget), np.int64)
        self.logprobs = np.zeros((num_rows, budget))
        self.rewards = np.zeros((num_rows, budget))
        self.counts = np.zeros(num_rows, np.int64)
        self.references = np.zeros((num_rows, budget), np.int64)
        self.reference_counts = np.zeros(num_rows, np.int64)
        self.values = np.zeros(num_rows)
        self.prompts: list[np.ndarray] = [np.zeros(0, np.int64)] * num_rows
        self.texts = [""] * num_rows
        self.endings: list[Ending | None] = [None] * num_rows
        self._written = [b""] * num_rows

    @property
    def drafts(self) -> Drafts:
        """The continuations as scores see them; a view, valid until the next write."""
        budget = self.tokens.shape[1]
        references = (self.references, self.reference_counts)
        return Drafts(self.tokens, self.counts, self.logprobs, *references, budget)

    def begin(self, row: int, example: Example) -> None:
        """Starts a row afresh."""
        size = min(len(example.reference), self.references.shape[1])
        self.references[row, :size] = example.reference[:size]
        self.reference_counts[row] = size
        self.counts[row] = 0
        self.values[row] = 0.0
        self.prompts[row] = example.prompt
        self.endings[row] = None
        self._written[row], self.texts[row] = b"", ""

    def write(self, rows: np.ndarray, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """Appends one token to each of `rows` (R,); tokens and logprobs are (N,)."""
        columns = self.counts[rows]
        self.tokens[rows, columns] = tokens[rows]
        self.logprobs[rows, columns] = logprobs[rows]
        self.counts[rows] += 1
        bytes_of = self._tokenizer.bytes_of
        for row in rows.tolist():
            self._written[row] += bytes_of[tokens[row]]
            self.texts[row] = text_of(self._written[row])

    def pay(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Rewards (N,) float64: how far each of `rows` rose to its new value (N,); 0 elsewhere."""
        rewards = np.zeros(len(values))
        rewards[rows] = values[rows] - self.values[rows]
        self.rewards[rows, self.counts[rows] - 1] = rewards[rows]
        self.values[rows] = values[rows]
        return rewards

    def transcript(self, row: int, scores: dict[str, float]) -> Transcript:
        """One row's episode as a value."""
        count = self.counts[row]
        return Transcript(
            prompt=self._tokenizer.decode(self.prompts[row]),
            text=self.texts[row],
            reference=self.reference(row),
            prompt_tokens=self.prompts[row].copy(),
            tokens=self.tokens[row, :count].copy(),
            logprobs=self.logprobs[row, :count].copy(),
            rewards=self.rewards[row, :count].copy(),
            words=self._words(row),
            ending=self.endings[row],
            scores=scores,
        )

    def reference(self, row: int) -> str:
        """Text a reader would have hoped for."""
        return self._tokenizer.decode(self.references[row, : self.reference_counts[row]])

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs, as fresh arrays and lists."""
        state: dict[str, Any] = {name: getattr(self, name).copy() for name in _ARRAYS}
        return state | {"prompts": list(self.prompts), "endings": list(self.endings)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Returns to what `get_state` gave."""
        for name in _ARRAYS:
            getattr(self, name)[...] = state[name]
        self.prompts = [np.asarray(prompt, np.int64) for prompt in state["prompts"]]
        self.endings = list(state["endings"])
        bytes_of = self._tokenizer.bytes_of
        for row, count in enumerate(self.counts):
            written = [bytes_of[token] for token in self.tokens[row, :count]]
            self._written[row] = b"".join(written)
            self.texts[row] = text_of(self._written[row])

    def _words(self, row: int) -> tuple[str, ...]:
        """What each token added to the text."""
        written, texts = b"", [""]
        for token in self.tokens[row, : self.counts[row]]:
            written += self._tokenizer.bytes_of[token]
            texts.append(text_of(written))
        return tuple(new[len(old) :] for old, new in pairwise(texts))


_ARRAYS = (
    "tokens",
    "logprobs",
    "rewards",
    "counts",
    "references",
    "reference_counts",
    "values",
)
