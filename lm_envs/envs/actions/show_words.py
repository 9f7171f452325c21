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
from lm_envs.envs.observations.upcoming_words import NUM_LOGPROBS, UpcomingWords, is_shown
from lm_envs.model.embeddings import TextEmbeddings
from lm_envs.tasks.subtitles.task import LiveSubtitles
from lm_envs.tasks.subtitles.waiting import waiting_words
from lm_envs.validation import check_count

LEAVE_OUT, SHOW = 0, 1


class ShowWordsActions(Actions):
    """Action 0 leaves out the word that is spoken now; action 1 shows it.

    The model reads what is shown. An episode has as many steps as words.

    Args:
        ahead: Number of words beyond the present one that are observed, 1 or more.

    Attributes:
        word_logprobs: (N, 3) float32 log-probabilities of the first tokens of words, nats: of the
            present word; of the next word, if the present one is shown; and of the next word, if it
            is left out. 0 where there is no such word.
    """

    num_candidates = 1
    meaning = "to leave out and to show"

    def __init__(self, *, ahead: int = 1) -> None:
        check_count("ahead", ahead)
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
        num_rows = self.engine.num_rows
        self.word_logprobs = np.zeros((num_rows, NUM_LOGPROBS), np.float32)
        self._tried = np.zeros_like(self.engine.packed_outputs(np.arange(num_rows)))
        self._scores = [np.zeros(0)] * num_rows

    @property
    def has_model_probabilities(self) -> bool:
        """False: the model has no probability of leaving a word out."""
        return False

    def read_contexts(self, rows: np.ndarray) -> None:
        """Prefills the words before those of `rows` (R,), and reads their first words."""
        self.engine.prefill(rows, self.episodes.contexts_of(rows))
        self._try_words(rows)

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
        self._try_words(rows)

    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Shows a word, or leaves it out, in each of `rows` (R,); for which it was the last."""
        episodes = self.episodes
        shows = actions[rows] == SHOW
        showing = rows[shows]
        if len(showing):
            words = [self._upcoming(row)[0] for row in showing.tolist()]
            lengths = self.engine.lengths[showing] + [len(word) for word in words]
            self.engine.restore_outputs(showing, self._tried[showing], lengths)
            for row, word in zip(showing.tolist(), words, strict=True):
                episodes.write_line(row, word, self._scores[row])
        episodes.skip_step(rows[~shows])
        for row in rows.tolist():
            known = is_shown(episodes, row)
            episodes.set_task_scores(row, self._subtitles.scores_of(episodes.examples[row], known))
        self._try_words(rows)
        return episodes.steps[rows] == self._subtitles.spoken_words

    def _upcoming(self, row: int) -> tuple[np.ndarray, ...]:
        """Returns the ids (T,) of the word that is spoken now, and of the next one, if any."""
        step = int(self.episodes.steps[row])
        return self._subtitles.spoken(self.episodes.examples[row]).tokens[step : step + 2]

    def _try_words(self, rows: np.ndarray) -> None:
        """Reads the present word of `rows` (R,), and goes back to before it.

        A word that is shown is not read again. What the model expects of the next word is known for
        both decisions.
        """
        engine = self.engine
        self.word_logprobs[rows] = 0.0
        reading = rows[self.episodes.steps[rows] < self._subtitles.spoken_words]
        if not len(reading):
            return
        upcoming = [self._upcoming(row) for row in reading.tolist()]
        firsts = np.zeros((engine.num_rows, 2), np.int64)
        for row, words in zip(reading, upcoming, strict=True):
            firsts[row, : len(words)] = [word[0] for word in words]
        before, lengths = engine.packed_outputs(reading), engine.lengths[reading]
        self.word_logprobs[reading, ::2] = engine.logprobs_of(firsts)[reading]
        scores = engine.extend_scored(reading, [words[0] for words in upcoming])
        if not np.isfinite(self.outputs.logprobs).all():
            raise broken_model_error(self.outputs.logprobs)
        self.word_logprobs[reading, 1] = engine.logprobs_of(firsts)[reading, 1]
        is_last = np.array([len(words) == 1 for words in upcoming])
        self.word_logprobs[reading[is_last], 1:] = 0.0
        self._tried[reading] = engine.packed_outputs(reading)
        for row, logprobs in zip(reading.tolist(), scores, strict=True):
            self._scores[row] = logprobs.round(LOGPROB_DECIMALS)
        engine.restore_outputs(reading, before, lengths)

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
        """Returns the columns of `UpcomingWords`."""
        columns = (self._subtitles, self._embeddings, lambda: self.word_logprobs, self._ahead)
        return [UpcomingWords(*columns)]

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
