"""Training on lessons, by its effect on held-out prompts."""

import numpy as np
import pytest
import torch

from agents.imitation.lessons import Lesson, choices
from agents.imitation.training import imitate, lesson_loss
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import next_token_loss
from tests.agents.imitation.agents import let_choose, make_agent, rows_of
from tests.agents.language_model.language_agents import checkpoint_with_special_tokens

VOCABULARY = {"actions": "vocabulary", "observation": "tokens"}


def policy_of(checkpoint, env):
    spaces = env.single_observation_space, env.single_action_space
    return LanguageModelPolicy(*spaces, lambda _: 0.0, model=str(checkpoint))


def test_the_model_learns_the_one_candidate_that_an_agent_always_chooses(checkpoint):
    """Held-out prompts: its most likely token is the agent's everywhere, and was so nowhere."""
    token = 77
    agent = make_agent(checkpoint, "DQN", actions="vocabulary")
    let_choose(agent, token)
    lessons = choices(agent, rows_of(checkpoint, actions="vocabulary"), np.arange(32))
    held_out = rows_of(checkpoint, split="test", **VOCABULARY)
    policy = policy_of(checkpoint, held_out)
    chosen = []
    for steps in (0, 30):
        settings = {"steps": steps, "batch_size": 8, "learning_rate": 3e-3, "seed": 0}
        losses = list(imitate(policy, lessons, **settings))
        observations, _ = held_out.reset(options={"index": np.arange(4)})
        chosen.append(policy.predict(observations, deterministic=True)[0])
    assert token not in chosen[0].tolist()
    assert chosen[1].tolist() == [token] * 4
    assert losses[-1] < losses[0] / 4


def test_the_loss_of_written_tokens_is_that_of_supervised_training(checkpoint):
    agent, env = make_agent(checkpoint, "DQN"), rows_of(checkpoint)
    lessons = choices(agent, env, np.arange(5))
    network = policy_of(checkpoint, rows_of(checkpoint, **VOCABULARY)).network
    pairs = [lesson.tokens for lesson in lessons], [lesson.start for lesson in lessons]
    torch.testing.assert_close(lesson_loss(network, lessons), next_token_loss(network, *pairs))


def test_the_loss_is_lowest_where_the_model_has_the_agents_shares(checkpoint):
    """Its gap to their entropy is the divergence, which is 0 only there."""
    env = rows_of(checkpoint, **VOCABULARY)
    network = policy_of(checkpoint, env).network
    tokens = np.array([5, 6, 7, 8])
    hidden = network(torch.as_tensor(tokens[None]))[0, 1:-1]
    logits = network.logits(hidden)[:, : network.tokenizer_size]
    own = logits.softmax(1).detach().numpy()  # (2, tokens)
    everything = np.tile(np.arange(own.shape[1]), (2, 1))
    losses = []
    for shares in (own, np.roll(own, 1, 1)):
        entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(1).mean()
        loss = lesson_loss(network, [Lesson(tokens, 2, everything, shares, 0.0)])
        losses.append(float(loss.detach()) - entropy)
    assert losses[0] == pytest.approx(0.0, abs=1e-4)
    assert losses[1] > 1e-3


def test_lessons_of_different_sizes_have_a_finite_loss_where_token_0_is_special(tmp_path):
    folder = checkpoint_with_special_tokens(tmp_path)
    policy = policy_of(folder, rows_of(folder, prompt_tokens=6, **VOCABULARY))
    tokens = np.array([10, 11, 12])
    lessons = [
        Lesson(tokens, 1, np.full((2, size), 12), np.full((2, size), 1 / size), 0.0)
        for size in (1, 3)
    ]
    assert torch.isfinite(lesson_loss(policy.network, lessons))
