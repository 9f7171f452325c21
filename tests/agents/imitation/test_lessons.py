"""What an agent chose, as lessons: the shares are the agent's, at the states of its texts."""

import numpy as np
import pytest
import torch
from sb3_contrib import RecurrentPPO

from agents.evaluation.rollouts import agent_policy, run_episodes
from agents.imitation.lessons import Lesson, best_texts, choices, mean_reward
from lm_envs.sb3 import make_language_vec_env
from tests.agents.imitation.agents import ACTIONS, LIMITS, make_agent, rows_of

INDICES = np.array([4, 1, 2])


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_lessons_are_the_texts_that_the_agent_writes(checkpoint, algorithm):
    agent, env = make_agent(checkpoint, algorithm), rows_of(checkpoint)
    lessons = choices(agent, env, INDICES)
    texts = run_episodes(env, agent_policy(agent), INDICES)
    for lesson, text in zip(lessons, texts, strict=True):
        written = lesson.tokens[lesson.start :]
        assert written.tolist() == text.tokens.tolist()
        assert lesson.tokens[: lesson.start].tolist() == text.prompt_tokens.tolist()
        assert lesson.reward == text.scores["reward"]
        chosen = np.take_along_axis(lesson.candidates, lesson.shares.argmax(1)[:, None], 1)
        assert chosen[:, 0].tolist() == written.tolist()
        np.testing.assert_allclose(lesson.shares.sum(1), 1.0, atol=1e-6)


def test_shares_are_the_probabilities_of_the_policy(checkpoint):
    agent, env = make_agent(checkpoint, "PPO"), rows_of(checkpoint)
    (lesson,) = choices(agent, env, INDICES[:1])
    observations, _ = env.reset(options={"index": 4})
    shown = torch.as_tensor(observations)
    expected = agent.policy.get_distribution(shown).distribution.probs[0].detach().numpy()
    assert lesson.candidates[0].tolist() == env.outputs.candidates[0].tolist()
    np.testing.assert_allclose(lesson.shares[0], expected, atol=1e-5)


def test_values_without_a_distribution_give_the_written_token_all(checkpoint):
    lessons = choices(make_agent(checkpoint, "DQN"), rows_of(checkpoint), INDICES)
    assert all(lesson.shares.tolist() == [[1.0]] * len(lesson.shares) for lesson in lessons)


def test_more_texts_of_each_prompt_have_a_better_best(checkpoint):
    agent, env = make_agent(checkpoint, "PPO"), rows_of(checkpoint)
    one, many = (best_texts(agent, env, np.arange(8), n, seed=0) for n in (1, 8))
    assert mean_reward(many) > mean_reward(one)
    assert all(isinstance(lesson, Lesson) for lesson in many)


def test_texts_of_an_agent_with_a_memory_are_sampled_with_it(checkpoint, monkeypatch):
    """Regression: each token was sampled as if it were the first."""
    arguments = {"model": str(checkpoint), "actions": ACTIONS, **LIMITS}
    env = make_language_vec_env("lm_envs/NextWord-v0", 2, 0, **arguments)
    agent = RecurrentPPO("MlpLstmPolicy", env, n_steps=8, batch_size=16, seed=0, device="cpu")
    predict, states = agent.predict, []

    def recording(observations, state=None, *given, **options):
        states.append(state)
        return predict(observations, state, *given, **options)

    monkeypatch.setattr(agent, "predict", recording)
    best_texts(agent, rows_of(checkpoint), INDICES, 1, seed=0)
    assert states[0] is None
    assert len(states) > 1
    assert all(state is not None for state in states[1:])


def test_episodes_of_several_turns_are_refused(checkpoint):
    agent = make_agent(checkpoint, "DQN")
    with pytest.raises(ValueError, match=r"Got Dialogue, .* allowed: tasks of one text"):
        choices(agent, rows_of("embedded", "Dialogue"), INDICES)
