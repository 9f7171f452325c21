"""Search in place of learning: best of n samples by reward, the most typical one, beam search.

All choose among the candidates that the agent sees, as the baselines do. The rows of one batch
hold samples or beams of one example. Knows nothing of training.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.baselines import Policy, sampling
from agents.evaluation.metrics import TIE
from agents.evaluation.rollouts import run_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.rewards.text_scores import chrf
from lm_envs.transcript import Transcript
from lm_envs.validation import check_count


def best_of_n(
    env: LanguageVectorEnv,
    indices: np.ndarray,
    n: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[Transcript]:
    """Returns the sample of highest reward for each example, in the order of `indices`.

    Among equal rewards one is drawn at random: the first would be the one of the first rows.

    Args:
        env: In autoreset mode DISABLED, of any number of rows.
        indices: (E,) example indices.
        n: Number of samples per example.
        temperature: Divides the candidates' log-probabilities.
        seed: Of the sampling, and of the choice among equal rewards.
    """
    check_count("n", n)
    sampled = run_episodes(env, sampling(temperature, seed), np.repeat(indices, n))
    rng = np.random.default_rng([seed, 1])  # the sampling has the first one
    return [best_of(group, rng) for group in grouped(sampled, n)]


def grouped(texts: Sequence[Transcript], n: int) -> list[Sequence[Transcript]]:
    """Returns the texts of repeated examples in groups of `n`, one for each example."""
    return [texts[start : start + n] for start in range(0, len(texts), n)]


def best_of(group: Sequence[Transcript], rng: np.random.Generator) -> Transcript:
    """Returns a transcript of the highest reward, drawn among those within `TIE` of it."""
    rewards = np.array([transcript.scores["reward"] for transcript in group])
    return group[int(rng.choice(np.flatnonzero(rewards >= rewards.max() - TIE)))]


def most_typical(group: Sequence[Transcript]) -> Transcript:
    """Returns the transcript whose mean chrF against all texts of its group is the highest.

    Reads no reference and no reward: the expected score of each text, if the samples were the
    references. The first of equal ones.

    Source: minimum Bayes risk decoding, Kumar and Byrne 2004, https://aclanthology.org/N04-1022.
    """
    return group[int(likeness(group).mean(1).argmax())]


def likeness(group: Sequence[Transcript]) -> np.ndarray:
    """Returns the chrF of each of n texts, if each of them were the reference, (n, n)."""
    texts = [transcript.text for transcript in group]
    return np.array([[chrf(text, (other,)) for other in texts] for text in texts])


def typical_texts(
    env: EpisodicVectorEnv, policy: Policy, indices: np.ndarray, n: int
) -> list[Transcript]:
    """Returns the most typical of n texts of a policy for each example, see `most_typical`.

    Args:
        env: In autoreset mode DISABLED, of any number of rows.
        policy: It draws its actions.
        indices: (E,) example indices.
        n: Number of texts per example.
    """
    drawn = run_episodes(env, policy, np.repeat(indices, n))
    return [most_typical(group) for group in grouped(drawn, n)]


Score = Callable[[LanguageVectorEnv], np.ndarray]
"""Returns what each row's candidates add to the total of a beam, (N, K) float64, nats; -inf for
candidates that must not be written."""


def candidate_logprobs(env: LanguageVectorEnv) -> np.ndarray:
    """Returns the model's log-probabilities of the candidates, (N, K) float64, nats."""
    return env.candidate_logprobs.astype(np.float64)


def beam_search(
    env: LanguageVectorEnv,
    indices: np.ndarray,
    width: int | None = None,
    score: Score = candidate_logprobs,
) -> list[Transcript]:
    """Returns for each example the finished completion of highest total that a beam finds.

    The total is the sum of the scores. Each step keeps the `width` unfinished completions of
    highest total and sets finished ones aside. A search ends once no unfinished completion can
    exceed the best finished one, since further tokens only lower a total; the next example then
    takes its rows. Rows are permuted by restoring states, which copies the KV cache.

    Args:
        env: In autoreset mode DISABLED, of `width` rows or more; of more rows, as many examples as
            fit are searched side by side.
        indices: (E,) example indices.
        width: Number of beams of one example; default all rows.
        score: Added to the total for each token, at most 0 nats.

    Raises:
        ValueError: If the environment has fewer rows than `width`.
    """
    beams = _Beams(env, _checked_width(env, width))
    waiting, found = deque(range(len(indices))), dict[int, Transcript]()
    assigned = np.full(beams.count, -1)  # position in `indices` of each search; -1 for none
    while len(found) < len(indices):
        is_idle = beams.are_finished()
        for number in np.flatnonzero(is_idle):
            if assigned[number] >= 0:
                found[int(assigned[number])] = beams.best[number].transcript()
            assigned[number] = waiting.popleft() if waiting else -1
        beams.begin(is_idle & (assigned >= 0), indices[np.maximum(assigned, 0)])
        if (assigned >= 0).any():
            beams.step(score)
    return [found[number] for number in range(len(indices))]


class _Beams:
    """Searches side by side, each in `width` rows of one environment.

    Args:
        env: The rows; those that are left over repeat another one.
        width: Number of beams of a search.

    Attributes:
        count: G, number of searches.
        best: The best finished completion of each.
    """

    def __init__(self, env: LanguageVectorEnv, width: int) -> None:
        self._env, self._width, self.count = env, width, env.num_envs // width
        self._totals = np.full((self.count, width), -np.inf)  # -inf for a row without a beam
        self.best = [_Best(-np.inf, None)] * self.count
        self._has_begun = False

    def are_finished(self) -> np.ndarray:
        """Returns which searches cannot find a better completion, or have not begun, (G,) bool."""
        return self._totals.max(1) <= [each.total for each in self.best]

    def begin(self, is_new: np.ndarray, indices: np.ndarray) -> None:
        """Starts the searches `is_new` (G,) bool from the examples `indices` (G,)."""
        if not is_new.any():
            return
        rows = np.minimum(np.arange(self._env.num_envs) // self._width, self.count - 1)
        options: dict[str, Any] = {"index": indices[rows]}
        if self._has_begun:
            options["reset_mask"] = is_new[rows]
        self._env.reset(options=options)
        self._has_begun = True
        # All rows start equal, so only the first may have children; the others would repeat them.
        self._totals[is_new] = np.where(np.arange(self._width) == 0, 0.0, -np.inf)
        for number in np.flatnonzero(is_new):
            self.best[number] = _Best(-np.inf, None)

    def step(self, score: Score) -> None:
        """Writes a token in each beam, and keeps the children of highest total."""
        used = self.count * self._width
        scores = score(self._env)[:used].reshape(*self._totals.shape, -1)  # (G, W, K)
        expanded = (self._totals[:, :, None] + scores).reshape(self.count, -1)
        children = np.argsort(-expanded, axis=1, kind="stable")[:, : self._width]
        self._totals = np.take_along_axis(expanded, children, 1)
        parents, ranks = np.divmod(children, scores.shape[2])
        parents += self._width * np.arange(self.count)[:, None]
        sources, ranks = self._filled(parents), self._filled(ranks)
        _copy_rows(self._env, sources)
        is_over = _step(self._env, ranks)[:used].reshape(self._totals.shape)
        finished = np.where(is_over, self._totals, -np.inf)
        for number, row in enumerate(finished.argmax(1).tolist()):
            if (total := float(finished[number, row])) > self.best[number].total:
                transcript = self._env.transcript(number * self._width + row)
                self.best[number] = _Best(total, transcript)
        self._totals[is_over] = -np.inf

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """Returns (N,) values of rows from those of beams (G, W).

        A row without a beam repeats the first one of its search, or of a search that runs, so that
        no row is over.
        """
        is_beam = np.isfinite(self._totals)
        firsts = np.where(is_beam[:, 0], values[:, 0], values[is_beam[:, 0].argmax(), 0])
        rows = np.where(is_beam, values, firsts[:, None]).ravel()
        return np.append(rows, np.full(self._env.num_envs - len(rows), rows[0]))


def _checked_width(env: LanguageVectorEnv, width: int | None) -> int:
    width = env.num_envs if width is None else width
    check_count("width", width)
    if width > env.num_envs:
        raise ValueError(
            f"Got width={width}; allowed: up to the rows of the environment, {env.num_envs}. Make "
            f"it with num_envs={width}."
        )
    return width


@dataclass(frozen=True, slots=True)
class _Best:
    """Total and transcript of the best finished completion."""

    total: float
    found: Transcript | None

    def transcript(self) -> Transcript:
        """Returns the transcript; there is one, because a token budget ends every episode."""
        assert self.found is not None
        return self.found


def _step(env: LanguageVectorEnv, ranks: np.ndarray) -> np.ndarray:
    """Steps each row by its candidate of a rank (N,); returns which episodes are over (N,)."""
    _, _, terminated, truncated, _ = env.step(env.actions_for_ranks(ranks))
    return terminated | truncated


def _copy_rows(env: LanguageVectorEnv, parents: np.ndarray) -> None:
    """Sets the episode of each row i to that of row `parents[i]`."""
    if (parents != np.arange(len(parents))).any():
        env.set_state(_permuted(env.get_state(), parents))


def _permuted(state: Any, rows: np.ndarray) -> Any:  # noqa: ANN401 - a tree of values
    """Returns a state of `get_state` with its rows in another order."""
    if isinstance(state, dict):
        return {name: _permuted(values, rows) for name, values in state.items()}
    if isinstance(state, np.ndarray):
        return state[rows]
    return [state[row] for row in rows]
