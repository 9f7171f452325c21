"""What the running texts are worth: the task's reward, and the one score that asks the model.

Owns the scores of every row as they were when it was last judged.
"""

from collections.abc import Sequence

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model.engine import Engine
from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Task
from lm_envs.tasks.rewards.reward import CROSS_ENTROPY
from lm_envs.tasks.rewards.token_scores import WORST_LOGPROB
from lm_envs.tokenizer import Tokenizer


class RewardTracker:
    """Scores N texts.

    Args:
        task: Says what is paid.
        engine: The model.
        tokenizer: Cuts texts into tokens.
        episodes: The texts.

    Attributes:
        scores: Each component of the reward, unweighted, (N,) float64.
    """

    def __init__(
        self, task: Task, engine: Engine, tokenizer: Tokenizer, episodes: EpisodeBuffer
    ) -> None:
        self._reward, self._episodes = task.reward, episodes
        self._engine, self._tokenizer = engine, tokenizer
        self.scores = {name: np.zeros(engine.num_rows) for name in task.reward.weights}

    def values(self, rows: np.ndarray, is_over: np.ndarray) -> np.ndarray:
        """Values (N,) float64 of all texts, those of `rows` (R,) judged anew.

        Scores that are only reported are asked for where an episode `is_over`, (N,) bool.
        """
        self._score(self._reward.weighted, rows)
        self._score(self._reward.logged, rows[is_over[rows]])
        return self._reward.total(self.scores)

    def _score(self, names: Sequence[str], rows: np.ndarray) -> None:
        if CROSS_ENTROPY in names:
            for row, value in zip(rows.tolist(), self._target_likelihoods(rows), strict=True):
                self._episodes.set_task_scores(row, {CROSS_ENTROPY: value})
        found = self._reward.components(self._episodes.completions, rows, names)
        for name, values in found.items():
            self.scores[name][rows] = values

    def _target_likelihoods(self, rows: np.ndarray) -> list[float]:
        """How well the model writes the first target of `rows` from their completions, [0, 1] each.

        0 where there is no target; else 1 less the mean cross-entropy of the target's tokens, in
        units of 8 nats, no token counting as worse than that. The target is read as a paraphrase of
        the draft; where both are too long for the model, the end of them.
        """
        sequences, starts = [], []
        for row in rows:
            draft, targets = self._episodes.texts[row].strip(), self._episodes.examples[row].targets
            prompt, target = prompt_templates.paraphrase(draft, targets[0] if targets else "")
            tokens = self._tokenizer.encode(prompt + target.rstrip())
            kept = tokens[-self._engine.longest :]
            sequences.append(kept)
            start = len(self._tokenizer.encode(prompt)) - (len(tokens) - len(kept))
            starts.append(max(start, 1))  # nothing foretells a first token
        return [
            float(1.0 - values[start:].clip(WORST_LOGPROB, 0.0).mean() / WORST_LOGPROB)
            if len(values) > start
            else 0.0
            for values, start in zip(self._engine.score(sequences), starts, strict=True)
        ]
