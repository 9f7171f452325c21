"""Records traces: runs a policy on chosen examples and keeps what it could do and preferred.

Owns the order of a recorded step, for many rows and for a person's single row alike. Computes no
statistics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.config.loading import UserError
from agents.viewing.candidates import Offer, offers, token_text, written_token
from agents.viewing.policies import Decision, ViewedPolicy
from agents.viewing.trace import Candidate, EpisodeTrace, Step
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import index_row
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


@dataclass(frozen=True, slots=True)
class Moment:
    """A row before a step, for explanations.

    Attributes:
        observation: What the agent saw, one row.
        mask: (A,) bool, discrete actions that were valid; None where actions are continuous.
        action: What it did.
    """

    observation: Any
    mask: np.ndarray | None
    action: np.ndarray


def check_indices(env: EpisodicVectorEnv, indices: Sequence[int]) -> None:
    """Checks the examples that are given to a command by `--index`.

    Raises:
        UserError: If the environment has no such example.
    """
    for index in indices:
        if not 0 <= index < env.num_examples:
            raise UserError(f"Got --index {index}; allowed: 0 to {env.num_examples - 1}.")


def record(
    env: EpisodicVectorEnv, policy: ViewedPolicy, indices: Sequence[int] | np.ndarray
) -> list[EpisodeTrace]:
    """Runs the policy on examples; returns the traces in the order of `indices`.

    Args:
        env: In autoreset mode DISABLED.
        policy: Called with the observations of all rows.
        indices: Example indices.
    """
    return [trace for trace, _ in record_with_moments(env, policy, indices)]


def record_with_moments(
    env: EpisodicVectorEnv, policy: ViewedPolicy, indices: Sequence[int] | np.ndarray
) -> list[tuple[EpisodeTrace, list[Moment]]]:
    """Returns traces as `record` does, and for each the moments before its steps."""
    found = []
    for start in range(0, len(indices), env.num_envs):
        chunk = np.asarray(indices[start : start + env.num_envs])
        found += _record_chunk(env, policy, {"index": np.resize(chunk, env.num_envs)}, len(chunk))
    return found


def record_prompts(
    env: EpisodicVectorEnv, policy: ViewedPolicy, prompts: Sequence[str]
) -> list[EpisodeTrace]:
    """Runs the policy on a caller's own prompts, in rows of `env`, in which all of them fit."""
    rows = [prompts[row % len(prompts)] for row in range(env.num_envs)]
    return [trace for trace, _ in _record_chunk(env, policy, {"prompt": rows}, len(prompts))]


def _record_chunk(
    env: EpisodicVectorEnv, policy: ViewedPolicy, options: Mapping[str, Any], count: int
) -> list[tuple[EpisodeTrace, list[Moment]]]:
    """Records one episode in each of the first `count` rows."""
    observations, _ = env.reset(options=dict(options))
    recorders = [StepRecorder(env, row) for row in range(count)]
    moments: list[list[Moment]] = [[] for _ in range(count)]
    found: dict[int, EpisodeTrace] = {}
    indices = options.get("index", [-1] * count)
    while len(found) < count:
        decision, offered, masks = policy.decide(env, observations), offers(env), _masks(env)
        running = [row for row in range(count) if row not in found]
        for row in running:
            recorders[row].begin_step(offered[row], decision)
            mask = None if masks is None else masks[row]
            shown = index_row(observations, row)
            moments[row].append(Moment(shown, mask, np.array(decision.actions[row])))
        observations, rewards, terminated, truncated, infos = env.step(decision.actions)
        is_over = terminated | truncated
        for row in running:
            recorders[row].end_step(float(rewards[row]), infos, is_over=bool(is_over[row]))
            if is_over[row]:
                found[row] = recorders[row].trace(int(indices[row]), policy)
        if is_over.any() and len(found) < count:
            observations, _ = env.reset(options={**options, "reset_mask": is_over})
    return [(found[row], moments[row]) for row in range(count)]


class StepRecorder:
    """Collects the steps of one row's episode.

    Args:
        env: After its reset.
        row: Number of the row.

    Attributes:
        steps: Finished steps.
    """

    def __init__(self, env: EpisodicVectorEnv, row: int) -> None:
        self._env, self._row = env, row
        self.steps: list[Step] = []
        self._text, self._scores = "", self._current_scores(is_over=False)
        if isinstance(env, LanguageVectorEnv):
            self._scores = dict.fromkeys(self._scores, 0.0)  # a potential starts at 0

    def begin_step(self, offer: Offer, decision: Decision) -> None:
        """Stores what the row could do, and what it will do; called before the step."""
        row, action = self._row, decision.actions[self._row]
        chosen = offer.position(action) if np.ndim(action) == 0 else -1
        candidates = _candidates(offer, decision, row)
        if isinstance(self._env, LanguageVectorEnv) and chosen < 0:
            token = written_token(self._env, decision.actions, row)
            texts = [each.text for each in candidates]
            name = token_text(self._env, token) if token is not None else ""
            chosen = texts.index(name) if name in texts else -1
            if chosen < 0 and token is not None:
                preferred = _preference(decision, row, action)
                candidates = (*candidates, Candidate(name, preference=preferred))
                chosen = len(candidates) - 1
        label = candidates[chosen].text if chosen >= 0 else ""
        value = None if decision.values is None else float(decision.values[row])
        settings = self._settings(action)
        self.steps.append(Step(candidates, chosen, offer.first, "", label, settings, value))

    def end_step(self, reward: float, infos: Mapping[str, Any], *, is_over: bool) -> None:
        """Completes the last step by what it wrote and earned; called after the step."""
        text = str(infos["text"][self._row])
        reply = str(infos["reply"][self._row]) if "reply" in infos else ""
        written, self._text = text[len(self._text) :], text
        scores = self._current_scores(is_over=is_over)
        weights = self._weights()
        changes = {name: weights[name] * (scores[name] - self._scores[name]) for name in weights}
        self._scores = scores
        step = self.steps[-1]
        self.steps[-1] = replace(
            step,
            written=written,
            action=step.action or written.strip(),
            reward=reward,
            contributions=changes,
            scores=scores,
            reply=reply,
        )

    def trace(self, index: int, policy: ViewedPolicy) -> EpisodeTrace:
        """Returns the trace of the finished episode."""
        transcript = self._env.transcript(self._row)
        return EpisodeTrace(index, policy.name, policy.kind, tuple(self.steps), transcript)

    def _weights(self) -> Mapping[str, float]:
        if isinstance(self._env, LanguageVectorEnv):
            return self._env.task.reward.weights
        return {"reward": 1.0}

    def _current_scores(self, *, is_over: bool) -> dict[str, float]:
        """Returns components of the reward; where only the end is scored, 0 until then."""
        env, row = self._env, self._row
        if isinstance(env, TuningVectorEnv):
            return {name: float(values[row]) for name, values in env.tuner.scores().items()}
        assert isinstance(env, LanguageVectorEnv)
        is_known = is_over or (env.dense and env.steps[row] > 0)
        reward = env.task.reward
        names = reward.weights if is_over else reward.weighted
        scores = dict.fromkeys(reward.weights, 0.0)
        if not is_known:
            return scores
        known = env.scores  # a copy of all rows
        return scores | {name: float(known[name][row]) for name in names}

    def _settings(self, action: np.ndarray) -> dict[str, float]:
        if not isinstance(self._env, TuningVectorEnv) or np.ndim(action) == 0:
            return {}
        names = self._env.tuner.action_names
        return {name: float(value) for name, value in zip(names, action, strict=True)}


def _candidates(offer: Offer, decision: Decision, row: int) -> tuple[Candidate, ...]:
    numbers = offer.actions if len(offer.actions) else [None] * len(offer.texts)
    return tuple(
        Candidate(
            text,
            None if np.isnan(logprob) else float(logprob),
            _preference(decision, row, number),
            bool(is_allowed),
        )
        for text, number, logprob, is_allowed in zip(
            offer.texts, numbers, offer.logprobs, offer.is_allowed, strict=True
        )
    )


def _preference(decision: Decision, row: int, action: Any) -> float | None:  # noqa: ANN401
    if decision.preferences is None or action is None or np.ndim(action) > 0:
        return None
    return float(decision.preferences[row, int(action)])


def _masks(env: EpisodicVectorEnv) -> np.ndarray | None:
    return env.action_masks() if hasattr(env.single_action_space, "n") else None
