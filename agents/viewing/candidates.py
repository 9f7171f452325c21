"""What the rows of an environment could do now, in words, for every kind of action.

Owns the wording of candidates. Changes nothing in the environment.
"""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.actions.read_write import READ, ReadWriteActions
from lm_envs.envs.actions.show_words import ShowWordsActions
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

END = "⟨end⟩"
"""Shown in place of the end-of-text token, which has no text."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one row could do now.

    Attributes:
        texts: K descriptions.
        actions: (K,) int64 numbers of the actions; empty where actions are continuous.
        logprobs: (K,) float64 of the model, nats; NaN where the model has none.
        is_allowed: (K,) bool.
    """

    texts: tuple[str, ...]
    actions: np.ndarray
    logprobs: np.ndarray
    is_allowed: np.ndarray

    @property
    def first(self) -> int:
        """Position of the model's first choice; -1 where the model has no log-probabilities."""
        known = np.where(self.is_allowed, self.logprobs, -np.inf)
        known = np.where(np.isnan(known), -np.inf, known)
        return int(known.argmax()) if np.isfinite(known).any() else -1

    def position(self, action: object) -> int:
        """Returns where an action is listed, -1 if it is not."""
        found = np.flatnonzero(self.actions == action) if len(self.actions) else []
        return int(found[0]) if len(found) else -1


def offers(env: EpisodicVectorEnv) -> list[Offer]:
    """Returns the offers of N rows."""
    if isinstance(env, TuningVectorEnv):
        return _settings(env)
    assert isinstance(env, LanguageVectorEnv)
    if isinstance(env.actions, ChoiceActions):
        return _lines(env, env.actions)
    if isinstance(env.actions, ReadWriteActions):
        return _reads(env, env.actions)
    if isinstance(env.actions, ShowWordsActions):
        return _words(env.actions)
    return _tokens(env)


def token_text(env: LanguageVectorEnv, token: int) -> str:
    r"""Returns the text of a token as it is shown: bytes of incomplete characters as "\xe4"."""
    if token in env.tokenizer.end_tokens:
        return END
    return env.tokenizer.token_bytes[token].decode("utf-8", "backslashreplace")


def written_token(env: LanguageVectorEnv, actions: np.ndarray, row: int) -> int | None:
    """Returns the token that an action of N (N, ...) will write in a row; None if it is no token.

    Kinds that draw tokens are not asked: they would draw another one.
    """
    kind = env.actions
    if not (isinstance(kind, TokenActions) and kind.has_model_probabilities):
        return None
    return int(kind.to_tokens(actions, env.outputs, np.array([row]))[row])


def _tokens(env: LanguageVectorEnv) -> list[Offer]:
    outputs, logprobs = env.outputs, env.candidate_logprobs.astype(np.float64)
    is_allowed = np.isfinite(logprobs)
    shape = outputs.candidates.shape
    numbers = np.zeros((shape[0], 0), np.int64)
    if env.actions.is_ranked and isinstance(env.single_action_space, gym.spaces.Discrete):
        ranks = [env.actions_for_ranks(np.full(shape[0], rank)) for rank in range(shape[1])]
        numbers = np.stack(ranks, 1)
    texts = [[token_text(env, token) for token in row] for row in outputs.candidates.tolist()]
    return [
        Offer(tuple(texts[row]), numbers[row], outputs.logprobs[row].astype(float), is_allowed[row])
        for row in range(shape[0])
    ]


def _lines(env: LanguageVectorEnv, actions: ChoiceActions) -> list[Offer]:
    episodes, scores, allowed = env.episodes, actions.scores, actions.masks()
    offered = []
    for row in range(env.num_envs):
        options = env.task.options(episodes.examples[row], episodes.turns[row])
        texts = tuple(option.text for option in options)
        offered.append(Offer(texts, np.arange(len(texts)), scores[row], allowed[row]))
    return offered


def _reads(env: LanguageVectorEnv, actions: ReadWriteActions) -> list[Offer]:
    rows = np.arange(env.num_envs)
    tokens = actions.to_tokens(np.zeros(len(rows), np.int64), env.outputs, rows)
    words = actions.next_words()
    offered = []
    for row, mask in enumerate(actions.masks()):
        write = f"write {token_text(env, int(tokens[row]))!r}"
        read = f"read {words[row]!r}" if mask[READ] else write  # both write after the last word
        offered.append(Offer((read, write), np.arange(2), np.full(2, np.nan), mask))
    return offered


def _words(actions: ShowWordsActions) -> list[Offer]:
    unknown = np.full(2, np.nan)
    texts = [(f"leave out {word!r}", f"show {word!r}") for word in actions.next_words()]
    return [Offer(each, np.arange(2), unknown, np.ones(2, bool)) for each in texts]


def _settings(env: TuningVectorEnv) -> list[Offer]:
    """Returns named actions where they are discrete; nothing to choose from where they are not."""
    if not isinstance(env.single_action_space, gym.spaces.Discrete):
        nothing = np.zeros(0)
        return [Offer((), nothing.astype(int), nothing, nothing.astype(bool))] * env.num_envs
    names = tuple(env.tuner.action_names)
    unknown = np.full(len(names), np.nan)
    return [Offer(names, np.arange(len(names)), unknown, mask) for mask in env.action_masks()]
