"""What one row has written: the frozen value that crosses every door.

Owns nothing and computes nothing. Knows neither models nor tasks, only text, ids and numbers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Ending = Literal["end_token", "complete", "budget", "context", "time_limit"]
"""How an episode ended: by the end-of-text token, the task's own stop rule or its token budget (all
three terminate); by the model's context window or an outside step limit (both truncate)."""

TRUNCATIONS: frozenset[str] = frozenset({"context", "time_limit"})


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode's text, whether finished or still being written.

    Where the agent adjusts the model, what it did stands in the place of text, in words of its
    steps; there are no ids and no log-probabilities then.

    Attributes:
        prompt: Text the episode started from.
        text: Text written so far; bytes of an unfinished character are held back.
        reference: Text a reader would have hoped for; empty where the task has none.
        prompt_tokens: (P,) int64 ids of the prompt.
        tokens: (T,) int64 ids written so far, an end-of-text token included.
        logprobs: (T,) float64 log-probability of each written token under the frozen model, nats.
        rewards: (T,) float64 reward paid for each written token.
        token_texts: What each written token added to the text, in order; joined they are `text`.
        ending: How the episode ended, None while it runs.
        scores: Named scores of the finished text; empty while it runs.
    """

    prompt: str
    text: str
    reference: str
    prompt_tokens: np.ndarray
    tokens: np.ndarray
    logprobs: np.ndarray
    rewards: np.ndarray
    token_texts: tuple[str, ...]
    ending: Ending | None
    scores: dict[str, float]
