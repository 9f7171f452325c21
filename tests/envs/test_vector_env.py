"""One step of the language environment: when episodes end, and what the model reads."""

import weakref
from dataclasses import replace
from typing import ClassVar

import gymnasium as gym
import numpy as np

from lm_envs.envs import LanguageVectorEnv
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
