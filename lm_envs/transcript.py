"""The record of one episode as text, token ids and numbers.

Environments return it, and rendering and evaluation read it. A value only: computes nothing, and
knows nothing of models or tasks.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Ending = Literal["end_token", "complete", "budget", "context", "time_limit"]
"""Reason for the end of an episode.

The end-of-text token, the task's stop rule and its token budget terminate the episode. The model's
context window and a step limit from outside the task truncate it.
"""

TRUNCATIONS: frozenset[str] = frozenset({"context", "time_limit"})
"""Endings that truncate an episode; the others terminate it."""


class Reply(NamedTuple):
    """A line of the other speaker, which answers a turn of the agent.

    Attributes:
        position: Number of tokens that the agent had written before it.
        text: The line, with the name of the speaker if there is one.
    """

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode, finished or still running.

    In environments whose agent adjusts the model, the texts describe the adjustments, one for each
    step, and there are no token ids and no log-probabilities.

    Attributes:
        prompt: Text at the start of the episode.
        text: Text written so far, without the bytes of an incomplete last character.
        reference: Text of the reference; empty if the task has none.
        prompt_tokens: (P,) int64 ids of the prompt.
        tokens: (T,) int64 ids written so far, including the end-of-text token.
        logprobs: (T,) float64 log-probability of each written token under the frozen model, nats.
        rewards: (T,) float64 reward for each written token.
        token_texts: Text that each token added; joined, they are `text`.
        ending: Reason for the end; None while the episode runs.
        scores: Named scores of the finished text; empty while it runs.
        replies: Lines of the other speaker between the turns; they are no part of `text`.
        image: (H, W, 3) uint8 image that the agent saw; None in tasks without.
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
    replies: tuple[Reply, ...] = ()
    image: np.ndarray | None = None
