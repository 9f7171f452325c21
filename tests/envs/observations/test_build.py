"""What each observation shows of the text."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.actions.test_tokens import make


def texts(env):
    return [np.concatenate([t.prompt_tokens, t.tokens]) for t in env.transcripts]


def test_tokens_are_the_whole_text(checkpoint):
    env = make(checkpoint, observation="tokens", actions="vocabulary")
    env.reset(seed=0)
    for _ in range(3):
        observations = env.step(np.arange(1, 4))[0]
    for row, text in enumerate(texts(env)):
        length = observations["length"][row, 0]
        assert observations["tokens"][row, :length].tolist() == text.tolist()
        assert not observations["tokens"][row, length:].any()


def test_tokens_of_an_episode_that_is_over_end_with_its_last_line():
    """Regression: a line that was chosen last was not shown."""
    env = gym.make_vec(
        "lm_envs/Translation-v0",
        num_envs=2,
        autoreset_mode="disabled",
        actions="choices",
        observation="tokens",
    ).unwrapped
    env.reset(seed=0)
    observations, _, terminated, _, _ = env.step(np.array([1, 2]))
    assert terminated.all()
    for row, text in enumerate(texts(env)):
        length = observations["length"][row, 0]
        assert observations["tokens"][row, :length].tolist() == text.tolist()


def test_embeddings_are_the_pool_and_the_last_words(checkpoint, model):
    env = make(checkpoint, observation={"kind": "embeddings", "last": 2}, actions="vocabulary")
    env.reset(seed=0)
    observations = env.step(np.array([5, 6, 7]))[0]
    table = model.token_embeddings.numpy()
    table = table / table.std(0, ddof=1)
    for row, text in enumerate(texts(env)):
        pool, last = np.split(observations[row, :-1], [table.shape[1]])
        np.testing.assert_allclose(pool, table[text].mean(0) * len(text) ** 0.5, atol=1e-5)
        np.testing.assert_allclose(last, table[text[-2:]].ravel(), atol=1e-6)


def test_zeros_stand_before_a_short_text(checkpoint, model):
    env = make(checkpoint, 1, observation={"kind": "embeddings", "last": 4}, actions="vocabulary")
    observations, _ = env.reset(options={"prompt": "a"})
    size = model.config.hidden_size
    assert not observations[0, size : 4 * size].any()
    assert observations[0, 4 * size : 5 * size].any()


@pytest.mark.parametrize("actions", ["top_k", "embedding"])
def test_candidates_are_what_stands_beside_the_hidden_state(checkpoint, model, actions):
    env = make(checkpoint, actions=actions, observation="candidates")
    whole = make(checkpoint, actions=actions)
    seen, beside = env.reset(seed=0)[0], whole.reset(seed=0)[0][:, model.config.hidden_size :]
    assert (seen == beside).all()
    assert env.single_observation_space.shape == (seen.shape[1],)


COMBINATIONS = [
    *itertools.product(("top_k", "vocabulary", "embedding"), ("hidden", "embeddings", "tokens")),
    ("top_k", "candidates"),
    ("embedding", "candidates"),
]


@pytest.mark.parametrize(("actions", "observation"), COMBINATIONS)
def test_every_observation_lies_in_its_space(checkpoint, actions, observation):
    env = make(checkpoint, actions=actions, observation=observation)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    env.action_space.seed(0)
    for _ in range(4):
        observations, _, terminated, _, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observations)
        if terminated.any():
            return
