"""Search instead of learning: best of n samples, and beams by log-probability or by reward.

All of them choose among what the model proposes to the agent, as the baselines do. Rows of one
batch are the samples or beams of one example. Knows nothing of training.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.baselines import sampling
from agents.evaluation.rollouts import run_episodes
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript
from lm_envs.validation import check_count


def best_of_n(
    env: LanguageVectorEnv,
    indices: np.ndarray,
    n: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[Transcript]:
    """The best-rewarded of n samples of each example, in the order of `indices`.

    A row that is done goes on with the next sample, so that no row waits for another.

    Args:
        env: With autoreset mode DISABLED, of any number of rows.
        indices: (E,) numbers of the examples to write.
        n: Samples of each.
        temperature: Of the model's probabilities.
        seed: Of the sampling.
    """
    check_count("n", n)
    written = run_episodes(env, sampling(temperature, seed), np.repeat(indices, n))
    groups = [written[start : start + n] for start in range(0, len(written), n)]
    return [max(group, key=lambda transcript: transcript.scores["reward"]) for group in groups]


def beam(env: LanguageVectorEnv, index: int, width: int | None = None) -> Transcript:
    """The likeliest continuation that a beam finds: the sum of its log-probabilities is highest.

    Each step keeps the `width` likeliest unfinished continuations; finished ones are set aside, and
    the search ends once none that is unfinished can catch up. Rows change places by replaying their
    tokens, so T steps cost up to T^2 / 2 decoding steps.

    Args:
        env: With autoreset mode DISABLED, of `width` rows or more.
        index: Number of the example to write.
        width: Beams; default all rows.
    """
    width = env.num_envs if width is None else width
    check_count("width", width)
    if width > env.num_envs:
        raise ValueError(
            f"Got width={width}; allowed: up to the rows of the environment, {env.num_envs}. Make "
            f"it with num_envs={width}."
        )
    env.reset(options={"index": index})
    totals = _first_alone(env.num_envs)
    best = _NOTHING
    while totals.max() > best.total:
        expanded = totals[:, None] + env.candidate_logprobs.astype(np.float64)  # (N, K)
        children = np.argsort(-expanded, axis=None, kind="stable")[: env.num_envs]
        totals = expanded.ravel()[children]
        totals[width:] = -np.inf
        parents, ranks = np.divmod(children, expanded.shape[1])
        _place(env, np.where(np.isfinite(totals), parents, parents[0]))
        is_over = _step(env, ranks)[1]
        best = _better(best, env, totals, is_over)
        totals[is_over] = -np.inf
    return best.transcript()


def reward_beam(env: LanguageVectorEnv, index: int, width: int) -> Transcript:
    """The best-rewarded continuation that a beam finds by looking one step ahead.

    Each step tries every proposal of `width` unfinished continuations and keeps the `width` whose
    rewards so far add up to most; so it needs dense rewards. Finished ones are set aside.

    Args:
        env: With autoreset mode DISABLED, of `width` times K rows for K candidate_logprobs.
        index: Number of the example to write.
        width: Beams.

    Raises:
        ValueError: If the environment has another number of rows.
    """
    check_count("width", width)
    num_proposals = env.candidate_logprobs.shape[1]
    if env.num_envs != width * num_proposals:
        raise ValueError(
            f"Got {env.num_envs} rows for width={width} and {num_proposals} candidate_logprobs; allowed: "
            f"their product. Make the environment with num_envs={width * num_proposals}."
        )
    env.reset(options={"index": index})
    ranks = np.tile(np.arange(num_proposals), width)
    totals, rows = _first_alone(width), np.arange(width)
    best = _NOTHING
    while np.isfinite(totals[0]):
        rows = np.where(np.isfinite(totals), rows, rows[0])
        _place(env, np.repeat(rows, num_proposals))
        is_open = np.isfinite(env.candidate_logprobs[np.arange(env.num_envs), ranks])
        rewards, is_over = _step(env, np.where(is_open, ranks, 0))
        reached = np.where(is_open, np.repeat(totals, num_proposals) + rewards, -np.inf)
        best = _better(best, env, reached, is_over)
        reached[is_over] = -np.inf
        rows = np.argsort(-reached, kind="stable")[:width]
        totals = reached[rows]
    return best.transcript()


@dataclass(frozen=True, slots=True)
class _Best:
    """The best finished continuation so far, and its total."""

    total: float
    found: Transcript | None

    def transcript(self) -> Transcript:
        """What was found; an episode always ends, by its budget at the latest."""
        assert self.found is not None
        return self.found


_NOTHING = _Best(-np.inf, None)


def _better(best: _Best, env: LanguageVectorEnv, totals: np.ndarray, is_over: np.ndarray) -> _Best:
    """The best so far, or the finished row of highest total (N,) where that is higher."""
    finished = np.where(is_over, totals, -np.inf)
    row = int(finished.argmax())
    if finished[row] <= best.total:
        return best
    return _Best(float(finished[row]), env.transcripts[row])


def _first_alone(count: int) -> np.ndarray:
    """Totals of rows that stand alike: the first counts, -inf task_scores its copies."""
    return np.where(np.arange(count) == 0, 0.0, -np.inf)


def _step(env: LanguageVectorEnv, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rewards (N,), and which rows are over (N,), once each has done its proposal of a rank."""
    _, rewards, terminated, truncated, _ = env.step(env.actions_for_ranks(ranks))
    return rewards, terminated | truncated


def _place(env: LanguageVectorEnv, parents: np.ndarray) -> None:
    """Lets row i go on from where row `parents[i]` stands."""
    if (parents != np.arange(len(parents))).any():
        env.set_state(_of_rows(env.get_state(), parents))


def _of_rows(state: Any, rows: np.ndarray) -> Any:  # noqa: ANN401 - a tree of values
    """A state of `get_state` with its rows in another order."""
    if isinstance(state, dict):
        return {name: _of_rows(values, rows) for name, values in state.items()}
    if isinstance(state, np.ndarray):
        return state[rows]
    return [state[row] for row in rows]
