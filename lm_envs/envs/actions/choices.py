"""`actions="choices"`: an action is one of the lines that the task offers.

Owns the offered lines and their tokens. Knows nothing of rewards, and does not decide when an
episode is over.
"""

from functools import lru_cache

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.actions.cached_reader import CachedReader, shared_cache
from lm_envs.envs.actions.token_actions import broken_model_error
from lm_envs.envs.observations.features import (
    Feature,
    TurnsLeft,
    choice_logprobs,
    choices_enabled,
)
from lm_envs.tasks.rewards.model_scores import MODEL_SCORES
from lm_envs.tasks.rewards.token_scores import FLUENCY
from lm_envs.validation import check_choice

ENCODED_LINES = 20_000
"""Lines whose token ids an environment keeps: the same ones are offered again and again."""


class ChoiceActions(Actions):
    """Action a writes the a-th line that the task offers.

    The model's scores of the lines are computed only when they are used. A text that was read
    before is not read again, and of a text that changed since the last turn only the part after the
    common prefix is read.

    Args:
        scores: Show the model's mean log-probability of each line in observations. False is faster.
        reads: Let the model read contexts and lines. False is fastest, for rewards and observations
            that need no model, such as "words": the info `logprob` is then 0. Baselines and search
            that rank the lines by the model work as before.

    Attributes:
        is_enabled: (N, C) bool, which lines would have an effect now.
        num_choices: C.
    """

    num_candidates = 1
    meaning = "the lines offered"

    def __init__(self, *, scores: bool = True, reads: bool = True) -> None:
        check_choice("scores", scores, (True, False))
        check_choice("reads", reads, (True, False))
        if scores and not reads:
            raise ValueError(
                "Got reads=False with scores=True; allowed: reads=False, scores=False."
            )
        self._shows_scores, self.reads_text = scores, reads

    def prepare(self, setup: Setup) -> None:
        """Sets the space to the task's number of lines.

        Raises:
            ValueError: If the task offers fewer than two lines, or a reward needs the model, which
                reads nothing.
        """
        task, name = setup.task, setup.task_name
        needing = sorted({FLUENCY, *MODEL_SCORES, *task.reward.models} & set(task.reward.weights))
        if needing and not self.reads_text:
            raise ValueError(
                f"Got actions with reads=False and rewards {', '.join(needing)}, which need the "
                "model's log-probabilities; leave one of the two out."
            )
        if task.num_options < 2:
            raise ValueError(
                f"Got actions='choices', but {name!r} offers no lines to choose from; allowed here:"
                " 'top_k', 'vocabulary', 'embedding'."
            )
        self.num_choices = task.num_options
        self.reserved_tokens = task.max_new_tokens  # a line is written whole
        self.space = gym.spaces.Discrete(self.num_choices)

    def connect(self, setup: Setup) -> None:
        """Builds what needs the engine."""
        self.is_enabled = np.ones((self.engine.num_rows, self.num_choices), bool)
        self._lines: list[list[np.ndarray]] = [[] for _ in range(self.engine.num_rows)]
        engine = self.engine
        cache = shared_cache(setup.model, engine.cache_dtype, engine.prompt_cache_bytes)
        self._reader = CachedReader(engine, cache)
        self._encode = lru_cache(ENCODED_LINES)(setup.tokenizer.encode_completion)

    @property
    def scores(self) -> np.ndarray:
        """(N, C) float64 mean log-probability of each line's tokens, nats."""
        rows = np.arange(self.engine.num_rows)
        return self._reader.score(rows, self.episodes.contexts_of(rows), self._lines)

    def read_contexts(self, rows: np.ndarray) -> None:
        """Reads the contexts of `rows` (R,) that are not in the cache."""
        if self.reads_text:
            self._reader.read(rows, self.episodes.contexts_of(rows))
            self._check_outputs()

    def update_choices(self, rows: np.ndarray) -> None:
        """Gets the lines that the task offers to `rows` (R,) after their turns so far."""
        for row in rows.tolist():
            example, turns = self.episodes.examples[row], self.episodes.turns[row]
            options = self.task.options(example, turns)
            self.is_enabled[row] = [option.is_enabled for option in options]
            self._lines[row] = [self._encode(option.text) for option in options]

    def restore(self) -> None:
        """Prefills each context: on CPU the numbers are those of reading it in parts."""
        self._reader.clear_slots()
        self.read_contexts(np.arange(self.engine.num_rows))

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Writes one line each, cut off at the token budget; returns (R,) True."""
        left = self.task.max_new_tokens - self.episodes.counts
        chosen = [self._lines[row][actions[row]][: left[row]] for row in rows]
        if self.reads_text:
            scores = self._reader.extend(rows, self.episodes.contexts_of(rows), chosen)
            self._check_outputs()
        else:
            scores = [np.zeros(len(line)) for line in chosen]
        for row, line, logprobs in zip(rows.tolist(), chosen, scores, strict=True):
            self.episodes.write_line(row, line, logprobs)
        return np.ones(len(rows), bool)

    def masks(self) -> np.ndarray:
        """Returns which lines would have an effect now, (N, C) bool."""
        return self.is_enabled.copy()

    def features(self) -> list[Feature]:
        """Returns the lines' scores, which lines have an effect, and the turns left."""
        scores = [choice_logprobs(lambda: self.scores, self.num_choices)]
        return [
            *(scores if self._shows_scores else []),
            choices_enabled(lambda: self.is_enabled, self.num_choices),
            TurnsLeft(self.task.max_turns),
        ]

    def candidate_logprobs(self) -> np.ndarray:
        """Returns the lines' scores (N, C), best first, nats; -inf for those without effect."""
        return -np.sort(-self._enabled_scores(), axis=1)

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the lines (N,) that have these ranks (N,) by score; ties by number."""
        order = np.argsort(-self._enabled_scores(), axis=1, kind="stable")
        return np.take_along_axis(order, ranks[:, None], 1)[:, 0]

    def oracle_actions(self) -> np.ndarray:
        """Returns the line (N,) that the task knows to be right; the first if it knows none."""
        episodes = self.episodes
        found = []
        for row, lines in enumerate(self._lines):
            right = self.task.oracle_completion(episodes.examples[row], episodes.turns[row])
            is_right = [np.array_equal(line, self._encode(right)) for line in lines]
            found.append(int(np.argmax(is_right)))
        return np.array(found)

    def _enabled_scores(self) -> np.ndarray:
        return np.where(self.is_enabled, self.scores, -np.inf)

    def _check_outputs(self) -> None:
        logprobs = self.engine.outputs.logprobs
        if not np.isfinite(logprobs).all():
            raise broken_model_error(logprobs)
