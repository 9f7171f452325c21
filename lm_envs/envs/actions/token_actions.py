"""Actions that write one token a step: what all of their kinds share.

Knows nothing of rewards, and does not decide when an episode is over.
"""

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.observations.features import BudgetLeft, CandidateFeatures, Feature
from lm_envs.model.engine import Outputs

LOGPROB_DECIMALS = 4
"""Log-probabilities are rounded to this many decimals before they are scored or reported, so that
a reward does not depend on the number of rows that are computed together."""


class TokenActions(Actions):
    """Base of action kinds that write one token a step.

    A subclass sets `space` and implements `to_tokens`.
    """

    meaning = "the candidates' ranks"
    _held: Mapping[tuple[int, bytes], int] = {}
    """Rows of the KV cache by the text that they held before a state is restored."""
    _written: np.ndarray | None = None
    """Rows (R,) that have written a token whose log-probability is not stored yet."""
    _is_complete = True
    """Whether the KV cache holds the texts of the episodes: not while or after a restore fails."""

    @abstractmethod
    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        """Returns the tokens (N,) int64 that the actions write.

        Args:
            actions: (N, ...) as `check` returned them.
            outputs: Candidates of N rows, their log-probabilities and hidden states.
            rows: (R,) rows that act; tokens of other rows are ignored.
        """

    def prepare(self, setup: Setup) -> None:
        """Raises ValueError if there are more candidates than tokens in the vocabulary."""
        size = setup.model.config.vocab_size - len(setup.tokenizer.special_tokens)
        if self.num_candidates > size:
            raise ValueError(
                f"Got {type(self).__name__} with {self.num_candidates} candidates; allowed: up to "
                f"the size of the vocabulary, {size}."
            )

    def read_contexts(self, rows: np.ndarray) -> None:
        """Prefills the contexts of `rows` (R,) into the KV cache."""
        self.engine.prefill(rows, self.episodes.contexts_of(rows))

    def before_restore(self) -> None:
        """Notes which texts the rows of the KV cache hold, so that `restore` can copy them.

        A search copies rows at each step; decoding their texts anew would take T^2 / 2 steps.
        """
        # After an error in a step a row of the cache may hold more than its episode.
        is_whole = self.engine.lengths == self.episodes.context_lengths
        keys = self._texts() if self._is_complete else []
        self._held = {key: row for row, key in enumerate(keys) if key[1] and is_whole[row]}
        self._is_complete = False

    def restore(self) -> None:
        """Copies the texts that a row held; prefills other prompts and decodes what was written.

        A prefill of a whole text would give other last bits than the original steps.
        """
        episodes, rows, held = self.episodes, np.arange(self.engine.num_rows), self._held
        self._held = {}
        sources = np.array([held.get(key, -1) for key in self._texts()])
        is_held, is_moved = sources >= 0, (sources >= 0) & (sources != rows)
        self.engine.copy_rows(rows[is_moved], sources[is_moved])
        new = rows[~is_held]
        num_written = np.where(is_held, 0, episodes.context_lengths - episodes.prompt_lengths)
        if len(new):
            prompts = episodes.prompt_ids
            self.engine.prefill(new, [prompts[row] for row in new])
        for column in range(int(num_written.max())):
            columns = episodes.prompt_lengths + column
            columns = np.minimum(columns, episodes.contexts.shape[1] - 1)
            self.engine.decode(episodes.contexts[rows, columns], num_written > column)
        self._is_complete = True

    def _texts(self) -> list[tuple[int, bytes]]:
        """Returns the length of each row's prompt, and the ids of its text."""
        contexts = self.episodes.contexts_of(np.arange(self.engine.num_rows))
        lengths = self.episodes.prompt_lengths.tolist()
        return [(size, each.tobytes()) for size, each in zip(lengths, contexts, strict=True)]

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Writes one token in each of `rows` (R,); returns which completed a line, (R,) bool."""
        engine, episodes = self.engine, self.episodes
        tokens = self.to_tokens(actions, self.outputs, rows)  # (N,)
        active = None
        if len(rows) < engine.num_rows:
            active = np.isin(np.arange(engine.num_rows), rows)
        engine.start_decode(tokens, active)
        # A GPU computes while texts grow and turns end here; `collect` waits for it.
        episodes.write(rows, tokens)
        self._written = rows
        is_turn_over = self.task.is_turn_over
        return np.array([is_turn_over(line) for line in episodes.current_lines(rows)], bool)

    def collect(self) -> None:
        """See `Actions`; waits for the step that `write` has launched."""
        if self._written is None:
            return
        rows, self._written = self._written, None
        outputs = self.engine.outputs
        if not np.isfinite(outputs.logprobs).all():
            raise broken_model_error(outputs.logprobs)
        self.episodes.set_logprobs(rows, outputs.chosen.astype(np.float64).round(LOGPROB_DECIMALS))

    def allowed_candidates(self) -> np.ndarray:
        """Returns which of the candidates can be written now, (N, K) bool."""
        return np.ones(self.outputs.candidates.shape, bool)

    def candidate_logprobs(self) -> np.ndarray:
        """Returns the candidates' log-probabilities (N, K), nats; -inf where not allowed."""
        return np.where(self.allowed_candidates(), self.outputs.logprobs, -np.inf)

    def oracle_actions(self) -> np.ndarray:
        """Returns actions (N, ...) that write the reference's next token, or the end after it.

        Where that token is not among the candidates, the most likely one is written.
        """
        episodes = self.episodes
        is_left = episodes.counts < episodes.reference_counts
        columns = np.where(is_left, episodes.counts, 0)
        following = episodes.references[np.arange(len(columns)), columns]
        wanted = np.where(is_left, following, self.engine.end_token)
        is_wanted = self.outputs.candidates == wanted[:, None]
        return self.actions_for_ranks(is_wanted.argmax(1))

    def features(self) -> list[Feature]:
        """Returns the candidates' columns and the share of the token budget that is left."""
        return [CandidateFeatures(self.num_candidates), BudgetLeft()]


def broken_model_error(logprobs: np.ndarray) -> FloatingPointError:
    """Returns the error for log-probabilities (N, K) of which some are NaN or infinite."""
    row = int((~np.isfinite(logprobs)).any(1).argmax())
    return FloatingPointError(
        f"Got NaN or infinite log-probabilities in row {row}; the model's weights or its "
        "dtype are broken. Use dtype='float32' or another checkpoint."
    )
