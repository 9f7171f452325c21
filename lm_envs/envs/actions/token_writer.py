"""How an action becomes text: one word at a time, or one of some lines.

Owns what the agent may write now. Knows nothing of rewards, or of when an episode is over.
"""

from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.copying import CopyCandidates
from lm_envs.envs.actions.pointer import Pointer
from lm_envs.envs.actions.tokens import TokenActions, TopKActions
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine, Outputs
from lm_envs.tasks.base import Task

LOGPROB_DECIMALS = 4
"""Log-probabilities are rounded to this many decimals before they are judged or reported."""


class Writer(Protocol):
    """What an environment asks of a way to write.

    Attributes:
        space: One row's action space.
        reserved_tokens: Tokens that a pinned prompt leaves free in a context, at least.
    """

    space: gym.Space[Any]
    reserved_tokens: int

    @property
    def outputs(self) -> Outputs:
        """What the model says next in each row, and what of it can be written."""
        ...

    def check(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Actions of N rows in one form; those outside `rows` (N,) bool are ignored.

        Raises:
            ValueError: If one of `rows` holds an action that is not in the space.
        """
        ...

    def read(self, rows: np.ndarray) -> None:
        """Lets the model read the contexts of `rows` (R,)."""
        ...

    def update_choices(self, rows: np.ndarray) -> None:
        """Asks what `rows` (R,) can go on with, after the turns so far."""
        ...

    def restore(self) -> None:
        """Lets the model read every row's context as it came about."""
        ...

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Writes the actions (N, ...) of `rows` (R,); which of the rows ended a line, (R,) bool."""
        ...

    def masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool."""
        ...

    def candidate_logprobs(self) -> np.ndarray:
        """Log-probabilities (N, K) of what the model itself would do, best first, nats.

        -inf for what may not be done now.
        """
        ...

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Actions of N rows that do what the model proposes in these places (N,)."""
        ...

    def oracle_actions(self) -> np.ndarray:
        """Actions of N rows that a perfect agent would take, as far as they can be taken."""
        ...


class TokenWriter:
    """Writes one word a step.

    Attributes:
        actions: What the words are chosen by.
        copied: Where the candidates come from if words of the prompt are among them, else None.

    Args:
        actions: What the words are chosen by.
        engine: The model.
        episodes: Where words are noted.
        task: Says when a line is complete.
    """

    def __init__(
        self, actions: TokenActions, engine: Engine, episodes: EpisodeBuffer, task: Task
    ) -> None:
        self.space = actions.space
        self.reserved_tokens = 1
        self.check = actions.check
        self.actions, self.copied = actions, None
        self._engine, self._episodes, self._task = engine, episodes, task
        if isinstance(actions, TopKActions) and actions.copies:
            self.copied = CopyCandidates(engine, Pointer(engine, episodes), actions.copies)

    @property
    def outputs(self) -> Outputs:
        """The model's, with words of the prompt among the candidates where those are copied."""
        return (self.copied or self._engine).outputs

    def read(self, rows: np.ndarray) -> None:
        """Prefills the rows."""
        self._engine.prefill(rows, self._episodes.contexts_of(rows))

    def update_choices(self, rows: np.ndarray) -> None:
        """Words are always on offer."""

    def restore(self) -> None:
        """Prefills what was read at once, and appends what was written word by word."""
        episodes, rows = self._episodes, np.arange(self._engine.num_rows)
        written = episodes.context_lengths - episodes.prompt_lengths
        self._engine.prefill(rows, episodes.prompt_ids)
        for column in range(int(written.max())):
            places = np.minimum(episodes.prompt_lengths + column, episodes.contexts.shape[1] - 1)
            self._engine.decode(episodes.contexts[rows, places], written > column)

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """One word each."""
        engine, episodes = self._engine, self._episodes
        tokens = self.actions.to_tokens(actions, self.outputs)  # (N,)
        is_written = None
        if len(rows) < engine.num_rows:
            is_written = np.isin(np.arange(engine.num_rows), rows)
        outputs = engine.decode(tokens, is_written)
        require_finite(outputs.logprobs)
        logprobs = outputs.chosen.astype(np.float64).round(LOGPROB_DECIMALS)
        episodes.write(rows, tokens, logprobs)
        has_line = [self._task.is_turn_over(episodes.current_line(row)) for row in rows]
        is_last = episodes.counts[rows] >= self._task.max_new_tokens
        return is_last | (tokens[rows] == engine.end_token) | np.array(has_line, bool)

    def masks(self) -> np.ndarray:
        """As the kind of actions says."""
        return self.actions.masks(self._engine)

    def candidate_logprobs(self) -> np.ndarray:
        """The candidates' log-probabilities; -inf for those that may not be written."""
        is_allowed = self.actions.allowed(self._engine)
        return np.where(is_allowed, self.outputs.logprobs, -np.inf)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """As the kind of actions says."""
        return self.actions.actions_for_ranks(ranks, self.outputs)

    def oracle_actions(self) -> np.ndarray:
        """The reference's next word, or the end of text after it, where it is a candidate."""
        episodes = self._episodes
        is_left = episodes.counts < episodes.reference_counts
        places = np.where(is_left, episodes.counts, 0)
        words = episodes.references[np.arange(len(places)), places]
        wanted = np.where(is_left, words, self._engine.end_token)
        is_wanted = self.outputs.candidates == wanted[:, None]
        return self.actions_for_ranks(is_wanted.argmax(1))


def require_finite(logprobs: np.ndarray) -> None:
    """Refuses log-probabilities (N, K) of a broken model.

    Raises:
        FloatingPointError: Naming the row.
    """
    if not np.isfinite(logprobs).all():
        row = int((~np.isfinite(logprobs)).any(1).argmax())
        raise FloatingPointError(
            f"Got NaN or infinite log-probabilities in row {row}; the model's weights or its "
            "dtype are broken. Use dtype='float32' or another checkpoint."
        )
