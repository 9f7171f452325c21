"""`actions="show_words"`: live subtitles; show the word that is spoken now, or leave it out.

Owns what a decision about a word writes. Knows nothing of rewards, and does not decide when an
episode is over.
"""

from collections.abc import Callable, Mapping

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.actions.token_actions import LOGPROB_DECIMALS, broken_model_error
from lm_envs.envs.observations.features import Feature
from lm_envs.envs.observations.heard_words import HeardWords, is_shown
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.tasks.subtitles.task import LiveSubtitles
from lm_envs.tasks.subtitles.waiting import waiting_words
from lm_envs.validation import check_count

LEAVE_OUT, SHOW = 0, 1


class ShowWordsActions(Actions):
    """Action 0 leaves out the word that is spoken now; action 1 shows it.

    The model reads what is shown. An episode has as many steps as words.

    Args:
        ahead: Number of words beyond the present one that are heard before it is decided on, and
            observed.
    """

    num_candidates = 1
    meaning = "to leave out and to show"

    def __init__(self, *, ahead: int = 1) -> None:
        check_count("ahead", ahead, least=0)
        self._ahead = ahead
        self.space = gym.spaces.Discrete(2)

    def prepare(self, setup: Setup) -> None:
        """Raises ValueError if the task has no spoken words."""
        if not isinstance(setup.task, LiveSubtitles):
            raise ValueError(
                f"Got actions='show_words' for {setup.task_name!r}, where no words are spoken; "
                "allowed: the task 'live_subtitles'."
            )

    def connect(self, setup: Setup) -> None:
        """Stores the task and the embeddings of its words."""
        assert isinstance(setup.task, LiveSubtitles)  # `prepare` has checked it
        self._subtitles = setup.task
        self._embeddings = TextEmbeddings(setup.model)

    @property
    def has_model_probabilities(self) -> bool:
        """False: the model has no probability of leaving a word out."""
        return False

    def read_contexts(self, rows: np.ndarray) -> None:
        """Prefills the words before those of `rows` (R,)."""
        self.engine.prefill(rows, self.episodes.contexts_of(rows))

    def restore(self) -> None:
        """Prefills the words before, and reads what was shown after them.

        On CPU the numbers are those of reading it word by word.
        """
        episodes, rows = self.episodes, np.arange(self.engine.num_rows)
        self.engine.prefill(rows, episodes.prompt_ids)
        shown = rows[episodes.counts > 0]
        if len(shown):
            texts = [episodes.tokens[row, : episodes.counts[row]] for row in shown.tolist()]
            self.engine.extend(shown, episodes.prompt_lengths[shown], texts)

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Shows a word, or leaves it out, in each of `rows` (R,); for which it was the last."""
        episodes, steps = self.episodes, self.episodes.steps
        shows = actions[rows] == SHOW
        showing = rows[shows]
        if len(showing):
            spoken = [self._subtitles.spoken(episodes.examples[row]) for row in showing.tolist()]
            words = [each.tokens[steps[row]] for each, row in zip(spoken, showing, strict=True)]
            scores = self.engine.extend_scored(showing, words)
            if not all(np.isfinite(own).all() for own in scores):
                raise broken_model_error(self.outputs.logprobs)
            for row, word, logprobs in zip(showing.tolist(), words, scores, strict=True):
                episodes.write_line(row, word, logprobs.round(LOGPROB_DECIMALS))
        episodes.skip_step(rows[~shows])
        for row in rows.tolist():
            known = is_shown(episodes, row)
            episodes.set_task_scores(row, self._subtitles.scores_of(episodes.examples[row], known))
        return steps[rows] == self._subtitles.spoken_words

    @property
    def waiting(self) -> np.ndarray:
        """(N,) shown words that wait to be read in each row."""
        speed, rows = self._subtitles.reading_speed, range(self.engine.num_rows)
        found = [waiting_words(is_shown(self.episodes, row), speed) for row in rows]
        return np.array([each[-1] if len(each) else 0.0 for each in found])

    def next_words(self) -> list[str]:
        """Returns the word that is spoken now in each of N rows; "" after the last one."""
        pairs = zip(self.episodes.examples, self.episodes.steps.tolist(), strict=True)
        texts = [(self._subtitles.word_texts(example), step) for example, step in pairs]
        return [words[step] if step < len(words) else "" for words, step in texts]

    def features(self) -> list[Feature]:
        """Returns the columns of `HeardWords`."""
        logprobs_of = self.engine.logprobs_of
        return [HeardWords(self._subtitles, self._embeddings, logprobs_of, self._ahead)]

    def candidate_logprobs(self) -> np.ndarray:
        """Returns (N, 2): equal probabilities of both actions, nats."""
        return np.full((self.engine.num_rows, 2), -np.log(2.0))

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the ranks (N,): 0 leaves out, 1 shows."""
        return ranks

    def oracle_actions(self) -> np.ndarray:
        """Returns SHOW for all N rows: the target has all words."""
        return np.full(self.engine.num_rows, SHOW)

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns the rule that looks at no word: it shows one while less than one word waits."""
        return {"while readers follow": lambda: np.where(self.waiting < 1.0, SHOW, LEAVE_OUT)}
