import itertools
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.evaluation.baselines import greedy
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import beam_search, best_of, best_of_n, likeness, most_typical

gym.register_envs(lm_envs)

K, STEPS = 3, 4
INDEX = 5


@pytest.fixture(scope="module")
def make(checkpoint):
    def make(num_envs, **kwargs):
        arguments = {"model": str(checkpoint), "max_new_tokens": STEPS, "prompt_tokens": 6}
        arguments |= {"actions": {"kind": "top_k", "k": K}, "autoreset_mode": "disabled"}
        return gym.make_vec("lm_envs/NextWord-v0", num_envs=num_envs, **(arguments | kwargs))

    return lambda *args, **kwargs: make(*args, **kwargs).unwrapped


@pytest.fixture(scope="module")
def texts(make):
    """Every continuation of the example, by its actions: all of K**STEPS plans, tried in turn."""
    env, found = make(1), {}
    for plan in itertools.product(range(K), repeat=STEPS):
        env.reset(options={"index": INDEX})
        is_over, count = False, 0
        while not is_over:
            *_, terminated, truncated, _ = env.step(np.array([plan[count]]))
            is_over, count = bool(terminated[0] or truncated[0]), count + 1
        found[plan[:count]] = env.transcripts[0]
    return found


@pytest.fixture(scope="module")
def prefixes(texts):
    """Sum of log-probabilities of every beginning of a continuation."""
    return {
        plan[:count]: text.logprobs[:count].sum()
        for plan, text in texts.items()
        for count in range(len(plan) + 1)
    }


def plain_beam(prefixes, texts, width):
    """The same search over a table of everything."""
    alive, finished = [()], []
    while alive:
        children = [(*plan, a) for plan in alive for a in range(K)]
        children = sorted(children, key=lambda plan: -prefixes[plan])[:width]
        finished += [plan for plan in children if plan in texts]
        alive = [plan for plan in children if plan not in texts]
    return texts[max(finished, key=lambda plan: prefixes[plan])]


def test_some_continuations_end_early(texts):
    assert {len(plan) for plan in texts} >= {1, STEPS}


def test_a_beam_of_every_continuation_finds_the_likeliest(make, texts):
    (found,) = beam_search(make(K**STEPS), np.array([INDEX]))
    likeliest = max(texts.values(), key=lambda text: text.logprobs.sum())
    assert found.tokens.tolist() == likeliest.tokens.tolist()


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_narrow_beam_is_the_plain_algorithm(width, make, texts, prefixes):
    expected = plain_beam(prefixes, texts, width)
    for num_envs in (width, width + 4):
        (found,) = beam_search(make(num_envs), np.array([INDEX]), width)
        assert found.tokens.tolist() == expected.tokens.tolist()
        np.testing.assert_array_equal(found.logprobs, expected.logprobs)


def test_a_beam_of_one_is_greedy(make):
    env = make(1)
    written = run_episodes(env, greedy(), np.arange(8))
    found = beam_search(env, np.arange(8))
    assert [each.text for each in found] == [each.text for each in written]


@pytest.mark.parametrize("num_envs", [3, 8, 32])
def test_examples_side_by_side_find_what_each_finds_alone(num_envs, make):
    indices, alone = np.array([5, 2, 7, 5, 0, 11, 3]), make(3)
    found = beam_search(make(num_envs), indices, 3)
    for index, transcript in zip(indices, found, strict=True):
        (expected,) = beam_search(alone, np.array([index]))
        assert transcript.prompt == expected.prompt
        assert transcript.text == expected.text
        np.testing.assert_array_equal(transcript.logprobs, expected.logprobs)
        assert transcript.scores == expected.scores


def test_the_best_of_many_samples_is_the_best_of_all(make, texts):
    best = max(text.scores["reward"] for text in texts.values())
    (found,) = best_of_n(make(16), np.array([INDEX]), 600, temperature=10.0)
    assert found.scores["reward"] == pytest.approx(best, abs=1e-9)


def test_more_samples_are_never_worse(make):
    indices = np.arange(6)
    env = make(8)
    rewards = [
        np.array([text.scores["reward"] for text in best_of_n(env, indices, n, seed=3)])
        for n in (1, 16)
    ]
    assert rewards[1].mean() > rewards[0].mean()


def test_best_of_n_keeps_the_order_of_the_examples(make):
    env = make(4)
    indices = np.array([3, 1, 2])
    prompts = [text.prompt for text in best_of_n(env, indices, 3)]
    assert prompts == [env.reset(options={"index": i})[1]["prompt"][0] for i in indices]


def test_sizes_that_do_not_fit_are_refused(make):
    with pytest.raises(ValueError, match="Got width=9; allowed: up to the rows"):
        beam_search(make(4), np.array([0]), 9)
    with pytest.raises(ValueError, match="Got n=0; allowed"):
        best_of_n(make(4), np.array([0]), 0)


def test_the_best_among_equal_rewards_is_drawn_at_random(texts):
    text = next(iter(texts.values()))
    equal = [replace(text, scores={"reward": 0.3 + n * 1e-12}) for n in range(4)]
    worse = replace(text, scores={"reward": 0.2})
    rng = np.random.default_rng(0)
    chosen = {id(best_of([worse, *equal], rng)) for _ in range(60)}
    assert chosen == set(map(id, equal))


def test_the_most_typical_text_is_the_one_closest_to_the_others(texts):
    some = next(iter(texts.values()))
    group = [
        replace(some, text=text) for text in ("a red house", "a red horse", "blue", "a red house")
    ]
    assert most_typical(group).text == "a red house"
    found = likeness(group)
    np.testing.assert_array_equal(found[0] == 1.0, [True, False, False, True])
