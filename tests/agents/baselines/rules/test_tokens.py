import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.tokens import (
    WHOLE_TEXT,
    echo_bonus,
    line_ends,
    no_repeat,
    pointer_belief,
)
from agents.evaluation.baselines import greedy
from agents.evaluation.rollouts import run_episodes

gym.register_envs(lm_envs)

INDICES = np.arange(6)


@pytest.fixture(scope="module")
def env(checkpoint):
    arguments = {"model": str(checkpoint), "max_new_tokens": 12, "prompt_tokens": 6}
    arguments |= {"actions": {"kind": "top_k", "k": 16}, "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/NextWord-v0", num_envs=4, **arguments).unwrapped


def ngrams(tokens, size):
    return [tuple(tokens[s : s + size]) for s in range(len(tokens) - size + 1)]


@pytest.mark.parametrize(("size", "scope"), [(1, "completion"), (2, "completion"), (2, WHOLE_TEXT)])
def test_no_repeat_greedy_never_repeats_an_ngram(env, size, scope):
    for text in run_episodes(env, no_repeat(size, scope), INDICES):
        begun = text.prompt_tokens.tolist() if scope == WHOLE_TEXT else []
        found = ngrams([*begun, *text.tokens.tolist()], size)
        inside = ngrams(begun, size)
        new = found[len(inside) :]
        assert len(set(new)) == len(new)
        assert not set(new) & set(inside)


def test_greedy_repeats_what_no_repeat_greedy_does_not(env):
    found = [ngrams(t.tokens.tolist(), 1) for t in run_episodes(env, greedy(), INDICES)]
    assert any(len(set(grams)) < len(grams) for grams in found)


def test_no_repeat_greedy_writes_the_likeliest_new_token(env):
    env.reset(options={"index": INDICES[:4]})
    written = [[] for _ in range(4)]
    for _ in range(3):
        ids = env.outputs.candidates.copy()
        actions = no_repeat(1)(env, None)
        for row, action in enumerate(actions.tolist()):
            end = env.engine.end_token
            new = [r for r, i in enumerate(ids[row]) if i not in written[row] or i == end]
            assert action == new[0]
            written[row].append(ids[row, action])
        _, _, terminated, truncated, _ = env.step(actions)
        if (terminated | truncated).any():
            break


def test_an_echo_bonus_of_nothing_is_greedy_and_a_large_one_copies(env):
    env.reset(options={"index": INDICES[:4]})
    assert echo_bonus(0.0)(env, None).tolist() == [0] * 4
    prompts, ids = env.episodes.prompt_tokens, env.outputs.candidates
    chosen = echo_bonus(1e6)(env, None)
    for row, prompt in enumerate(prompts):
        echoes = [rank for rank, token in enumerate(ids[row]) if token in prompt]
        assert chosen[row] == (echoes[0] if echoes else 0)


def test_pointer_belief_goes_from_the_model_to_the_pointer(checkpoint):
    actions = {"kind": "top_k", "k": 4, "copies": 4}
    env = gym.make_vec(
        "lm_envs/NextWord-v0", num_envs=16, model=str(checkpoint), actions=actions
    ).unwrapped
    env.reset(seed=0)
    assert pointer_belief(0.0)(env, None).tolist() == env.candidate_logprobs.argmax(1).tolist()
    shares = env.actions.copied.shares
    chosen = pointer_belief(1.0)(env, None)
    np.testing.assert_array_equal(shares[np.arange(16), chosen], shares.max(1))
    assert (chosen != pointer_belief(0.0)(env, None)).any()


@pytest.fixture(scope="module")
def translation():
    arguments = {"actions": {"kind": "top_k", "k": 4, "copies": 4}, "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/Translation-v0", 4, split="test", **arguments).unwrapped


def test_line_ends_are_the_candidates_whose_text_completes_the_line(translation):
    known, found = {}, []

    def compare_and_act(env, observations):
        expected = [
            token == env.engine.end_token or "\n" in env.tokenizer.decode(np.array([token]))
            for token in env.outputs.candidates.ravel()
        ]
        ends = line_ends(env, known)
        np.testing.assert_array_equal(ends.ravel(), expected)
        found.append(ends)
        return greedy()(env, observations)

    run_episodes(translation, compare_and_act, INDICES)
    assert 0 < np.sum(found) < np.size(found)


def test_a_later_end_writes_longer_texts(translation):
    env = translation
    tokens = [
        sum(
            len(text.tokens) for text in run_episodes(env, pointer_belief(0.5, 0.0, delay), INDICES)
        )
        for delay in (0.0, 8.0)
    ]
    assert tokens[1] > tokens[0]
