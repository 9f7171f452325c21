"""One step of the language environment: when episodes end, and what the model reads."""

import weakref
from dataclasses import replace
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs import LanguageVectorEnv
from lm_envs.envs.actions import TokenActions
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.next_word import NextWord
from tests.envs.helpers import make


def test_writing_the_end_of_text_terminates():
    env = make(1)
    env.reset(seed=0)
    candidates = env.outputs.candidates[0].tolist()
    action = candidates.index(env.tokenizer.end_token)
    _, _, terminated, truncated, infos = env.step(np.array([action]))
    assert (terminated[0], truncated[0], infos["ending"][0]) == (True, False, "end_token")


def test_a_step_limit_truncates_and_the_budget_terminates():
    for options, expected in (
        ({"max_steps": 3}, ("time_limit", False, True)),
        ({"max_new_tokens": 3}, ("budget", True, False)),
        ({"max_new_tokens": 3, "max_steps": 3}, ("budget", True, False)),
    ):
        env = make(1, **options)
        env.reset(seed=0)
        for _ in range(2):
            assert not np.any(env.step(np.array([0]))[2:4])
        _, _, terminated, truncated, infos = env.step(np.array([0]))
        assert (infos["ending"][0], terminated[0], truncated[0]) == expected


def test_a_full_context_truncates():
    env = make(1, prompt_tokens=4, max_new_tokens=8)
    env.reset(options={"prompt": "The people of the United States and of the world"})
    room = env.engine.capacity - len(env.transcripts[0].prompt_tokens)
    assert room < 8
    for _ in range(room):
        _, _, terminated, truncated, infos = env.step(np.array([0]))
    assert (infos["ending"][0], terminated[0], truncated[0]) == ("context", False, True)


def test_a_full_row_waits_while_others_write():
    """Regression: with a capacity in whole blocks, the attention read past the slots."""
    env = make(2, "next_step", prompt_tokens=16, max_new_tokens=16, actions="vocabulary")
    env.reset(seed=0)
    end = env.tokenizer.end_token
    env.step(np.array([end, 5]))
    for _ in range(20):
        observations, *_ = env.step(np.array([5, 5]))
    assert np.isfinite(observations).all()


def test_a_chosen_line_is_cut_at_the_token_budget():
    env = gym.make_vec(
        "lm_envs/Dialogue-v0", num_envs=2, max_new_tokens=12, autoreset_mode="disabled"
    ).unwrapped
    env.reset(seed=0)
    terminated = np.zeros(2, bool)
    while not terminated.any():
        _, _, terminated, _, infos = env.step(np.zeros(2, np.int64))
    assert list(infos["ending"]) == ["budget"] * 2
    assert [len(transcript.tokens) for transcript in env.transcripts] == [12, 12]


class ShortContext(Dialogue):
    """A dialogue in a context that its longest conversations do not fit."""

    def __init__(self, tokenizer):
        super().__init__(tokenizer)
        self.context_tokens = 160


def test_the_beginning_of_a_long_conversation_is_dropped():
    env = LanguageVectorEnv(1, task=ShortContext, actions="choices")
    env.reset(options={"index": 0})
    for _ in range(4):
        env.step(np.array([1]))
    size = int(env.episodes.context_lengths[0])
    assert size == 160 - (env.task.max_new_tokens - len(env.transcripts[0].tokens))
    context = env.tokenizer.decode(env.episodes.contexts[0, :size])
    assert context.endswith("Agent:")
    assert not context.startswith(env.transcripts[0].prompt)


@pytest.mark.parametrize(
    ("max_turns", "num_turns", "completed"), [(5, 3, True), (3, 3, True), (2, 2, False)]
)
def test_an_episode_is_complete_when_the_customer_leaves_or_after_the_last_turn(
    max_turns, num_turns, completed
):
    env = make(1, env_id="lm_envs/Dialogue-v0", max_turns=max_turns)
    env.reset(options={"index": 0})
    for step in range(num_turns):
        action = env.oracle_actions() if completed else np.array([0])
        _, _, terminated, truncated, infos = env.step(action)
        assert terminated[0] == (step + 1 == num_turns)
    assert (infos["ending"][0], truncated[0]) == ("complete", False)
    assert infos["scores"]["completed"][0] == completed


def test_replies_are_reported_in_tasks_of_several_turns_only():
    for env_id, is_reported in (("lm_envs/Dialogue-v0", True), ("lm_envs/NextWord-v0", False)):
        env = make(1, env_id=env_id)
        env.reset(seed=0)
        *_, infos = env.step(np.array([0]))
        assert ("reply" in infos) == is_reported


class EndOrWait(TokenActions):
    """Action 0 writes the end of text; action 1 writes nothing."""

    space = gym.spaces.Discrete(2)

    def to_tokens(self, actions, outputs, rows):
        return np.full(len(actions), self.engine.end_token)

    def write(self, rows, actions):
        if actions[0] == 0:
            return super().write(rows, actions)
        self.episodes.skip_step(rows)
        return np.zeros(len(rows), bool)


def test_a_step_that_writes_nothing_does_not_end_by_the_last_token_of_the_episode_before():
    env = make(1, actions=EndOrWait, max_new_tokens=1)
    env.reset(seed=0)
    assert env.step(np.array([0]))[2][0]
    env.reset(seed=0)
    assert not env.step(np.array([1]))[2][0]
    *_, infos = env.step(np.array([0]))
    assert infos["ending"][0] == "end_token"


def test_by_default_there_is_one_row():
    assert LanguageVectorEnv(task=NextWord).num_envs == 1


class LargeExamples(NextWord):
    """Next words whose examples have an image of 4 MiB."""

    alive: ClassVar = []

    def example(self, index):
        image = np.zeros((1024, 1366, 3), np.uint8)
        self.alive.append(weakref.ref(image))
        return replace(super().example(index), image=image)


def test_few_of_many_large_examples_stay_in_memory():
    """Regression: 16384 were kept of any size."""
    env = LanguageVectorEnv(1, task=LargeExamples)
    for seed in range(20):
        env.reset(seed=seed)
    assert len(LargeExamples.alive) >= 15
    assert sum(reference() is not None for reference in LargeExamples.alive) < 12


class Context(str):
    """A text whose end can be seen."""

    __slots__ = ("__weakref__",)


class LongContexts(Dialogue):
    """A dialogue whose contexts have 2,000 tokens, each another one."""

    alive: ClassVar = []

    def respond(self, example, turns):
        context = Context(f"{len(self.alive)}{' ~' * 2000}")
        self.alive.append(weakref.ref(context))
        return replace(super().respond(example, turns), context=context, is_over=False)


def test_few_of_many_long_contexts_stay_in_memory(monkeypatch):
    monkeypatch.setattr("lm_envs.envs.vector_env.CACHE_BYTES", 200_000)
    env = LanguageVectorEnv(1, task=LongContexts, actions="choices")
    for _ in range(30):
        env.reset(options={"index": 0})
        env.step(np.array([0]))
    assert len(LongContexts.alive) == 30
    assert 3 <= sum(reference() is not None for reference in LongContexts.alive) <= 15
