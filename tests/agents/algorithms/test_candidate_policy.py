"""The language model's log-probabilities, and what a network adds to each of them."""

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import UserError
from tests.agents.finished_run import CONFIG, changed

K = 4
WORDS = {"kind": "top_k", "k": K}
COPIES = {"kind": "top_k", "k": 2, "copies": 2}


def config_of(observation="candidates", actions=WORDS, algorithm="PPO", **kwargs):
    made = {"actions": actions, "observation": observation}
    env = CONFIG.env.model_copy(update={"kwargs": made})
    if actions == "choices":
        env = env.model_copy(update={"id": "lm_envs/Classification-v0"})
    policy = "CandidateQPolicy" if algorithm == "DQN" else "CandidatePolicy"
    named = {"name": algorithm, "policy": policy, "kwargs": kwargs}
    return changed(env=env, algorithm=CONFIG.algorithm.model_copy(update=named))


def agent_of(config):
    env = make_training_env(config)
    return make_algorithm(config, env, None), env


def logits_of(agent, observations):
    if isinstance(agent, DQN):
        return agent.q_net(torch.from_numpy(observations))
    return agent.policy.get_distribution(torch.from_numpy(observations)).distribution.logits


def columns_of(observations, actions, count):
    """Columns (N, c, K) of candidates, which stand before the share left."""
    numbers = {"choices": 2, str(WORDS): 3, str(COPIES): 4}[str(actions)] * count
    return observations[:, -numbers - 1 : -1].reshape(len(observations), -1, count)


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "TRPO"])
@pytest.mark.parametrize("observation", ["candidates", "hidden", "embeddings"])
@pytest.mark.parametrize("actions", [WORDS, "choices"])
def test_untrained_it_chooses_as_the_model_does(actions, observation, algorithm):
    agent, env = agent_of(config_of(observation, actions, algorithm))
    observations = env.reset()
    logprobs = torch.from_numpy(columns_of(observations, actions, env.action_space.n)[:, 0])
    assert torch.allclose(logits_of(agent, observations), logprobs.log_softmax(1), atol=1e-5)


@pytest.mark.parametrize("observation", ["candidates", "hidden"])
def test_untrained_it_mixes_the_model_with_the_pointer(observation):
    agent, env = agent_of(config_of(observation, COPIES))
    observations = env.reset()
    logprobs, _, _, shares = columns_of(observations, COPIES, K).transpose(1, 0, 2)
    expected = 0.6 * np.exp(logprobs) + 0.4 * shares
    expected /= expected.sum(1, keepdims=True)
    probabilities = logits_of(agent, observations).softmax(1).detach().numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_the_hidden_state_is_a_context_for_all_candidates(algorithm):
    """Another hidden state moves logits, and alike for candidates of the same columns."""
    agent, env = agent_of(config_of("hidden", COPIES, algorithm))
    judge = agent.q_net.q_net.judge if algorithm == "DQN" else agent.policy.mlp_extractor
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
    observations = env.reset()
    observations[:, -4 * K - 1 : -1] = 0.25
    moved = observations.copy()
    moved[:, : -4 * K - 1] = np.random.default_rng(0).normal(size=moved[:, : -4 * K - 1].shape)
    scores = [judge.forward_actor(torch.from_numpy(some)) for some in (observations, moved)]
    assert not torch.allclose(*scores, atol=0.1)
    for found in scores:
        assert torch.allclose(found, found[:, :1].expand_as(found), atol=1e-5)


@pytest.mark.parametrize("actions", [WORDS, "choices"])
def test_untrained_values_prefer_what_the_model_prefers(actions):
    agent, env = agent_of(config_of(actions=actions, algorithm="DQN", buffer_size=64))
    observations = env.reset()
    best = observations[:, : env.action_space.n].argmax(1)
    assert (agent.predict(observations, deterministic=True)[0] == best).all()


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_candidates_that_change_places_change_logits(algorithm):
    agent, env = agent_of(config_of(algorithm=algorithm))
    observations = env.reset()
    judge = agent.q_net.q_net.judge if algorithm == "DQN" else agent.policy.mlp_extractor
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
    order = np.array([0, 3, 1, 2])  # the likeliest is the one that others are compared with
    columns = observations[:, :-1].reshape(len(observations), 3, K)[:, :, order]
    moved = np.concatenate([columns.reshape(len(observations), -1), observations[:, -1:]], 1)
    expected = logits_of(agent, observations)[:, order]
    assert torch.allclose(logits_of(agent, moved), expected, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
def test_with_axes_candidates_of_equal_probability_are_told_apart(algorithm):
    agent, env = agent_of(config_of(actions={**WORDS, "axes": 2}, algorithm=algorithm))
    names = list(env.observation_space.columns)
    assert names[-3:] == ["candidate_axis_0", "candidate_axis_1", "budget_left"]
    judge = agent.q_net.q_net.judge if algorithm == "DQN" else agent.policy.mlp_extractor
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
    observations = env.reset()
    observations[:, : 3 * K] = 0.25
    observations[:, 3 * K : -1] = 0.0
    same = logits_of(agent, observations)
    assert torch.allclose(same, same[:, :1].expand_as(same), atol=1e-5)
    observations[:, 3 * K + 2] = 1.0  # the first coordinate of the third candidate
    moved = logits_of(agent, observations) - same
    assert torch.allclose(moved[:, [1, 3]], moved[:, :1].expand(-1, 2), atol=1e-5)
    assert ((moved[:, 2] - moved[:, 0]).abs() > 0.01).all()


class Marks:
    """A further feature: a number for each candidate, behind the share left."""

    def __init__(self, view):
        count = view.actions.num_candidates
        self.columns = {"candidate_marks": (np.zeros(count), np.ones(count))}

    def encode(self, outputs, episodes):
        return np.zeros(outputs.candidates.shape, np.float32)


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
@pytest.mark.parametrize("actions", [WORDS, COPIES])
def test_a_further_feature_of_candidates_moves_the_marked_one(actions, algorithm):
    shown = {"kind": "hidden", "features": [f"{__name__}:Marks"]}
    agent, env = agent_of(config_of(shown, actions, algorithm))
    assert list(env.observation_space.columns)[-2:] == ["budget_left", "candidate_marks"]
    observations = env.reset()
    judge = agent.q_net.q_net.judge if algorithm == "DQN" else agent.policy.mlp_extractor
    before = logits_of(agent, observations)
    with torch.no_grad():
        for parameter in judge.score.parameters():
            parameter.normal_()
    same = logits_of(agent, observations)
    observations[:, -2] = 1.0  # the third of four
    moved = logits_of(agent, observations) - same
    assert before.shape == same.shape == (len(observations), K)
    assert torch.allclose(moved[:, [1, 3]], moved[:, :1].expand(-1, 2), atol=1e-4)
    assert ((moved[:, 2] - moved[:, 0]).abs() > 0.01).all()


LEARNING = {
    "PPO": {"n_steps": 64, "batch_size": 64, "n_epochs": 8, "learning_rate": 3.0e-3},
    "DQN": {"buffer_size": 4_096, "learning_starts": 64, "learning_rate": 3.0e-3},
}


@pytest.mark.parametrize("algorithm", LEARNING)
def test_it_learns_to_take_words_of_the_prompt(algorithm):
    class Echoes(DummyVecEnv):
        """Pays 1 for a candidate that is a word of the prompt: one of the last three."""

        def __init__(self, env):
            self.num_envs, self.render_mode = env.num_envs, None
            self.observation_space, self.action_space = env.observation_space, env.action_space
            self.rng = np.random.default_rng(0)

        def reset(self):
            self.right = self.rng.integers(1, K, self.num_envs)
            echoes = np.arange(K) == self.right[:, None]
            logprobs = np.tile([-0.5, -2.0, -2.5, -3.0], (self.num_envs, 1))
            rest = np.zeros((self.num_envs, K)), echoes, np.ones((self.num_envs, 1))
            return np.concatenate([logprobs, *rest], 1, dtype=np.float32)

        def set_attr(self, name, value, indices=None):
            assert name == "gamma"  # without potentials the discount changes no reward

        def step_async(self, actions):
            self.actions = actions

        def step_wait(self):
            rewards = (self.actions == self.right).astype(np.float32)
            observations = self.reset()
            infos = [{"terminal_observation": row} for row in observations]
            return observations, rewards, np.ones(self.num_envs, bool), infos

    config = config_of(algorithm=algorithm, **LEARNING[algorithm])
    env = Echoes(make_training_env(config))
    agent = make_algorithm(config, env, None)
    agent.learn(4_096)
    observations = env.reset()
    assert (agent.predict(observations, deterministic=True)[0] == env.right).all()


@pytest.mark.parametrize(
    ("observation", "actions", "algorithm"),
    [
        ("tokens", WORDS, "PPO"),
        ("candidates", "embedding", "PPO"),
        ("candidates", {"kind": "choices", "scores": False}, "PPO"),
        ("hidden", {"kind": "choices", "scores": False}, "DQN"),
    ],
)
def test_what_it_cannot_judge_is_refused(observation, actions, algorithm):
    config = config_of(observation, actions, algorithm)
    if "choices" in str(actions):
        env = config.env.model_copy(update={"id": "lm_envs/Classification-v0"})
        config = config.model_copy(update={"env": env})
    with pytest.raises(UserError, match="CandidatePolicy"):
        agent_of(config)


@pytest.mark.parametrize(
    ("algorithm", "policy"),
    [("DQN", "CandidatePolicy"), ("PPO", "CandidateQPolicy"), ("ARS", "CandidatePolicy")],
)
def test_a_policy_of_another_kind_of_algorithm_is_refused(algorithm, policy):
    config = config_of(algorithm=algorithm)
    named = config.algorithm.model_copy(update={"policy": policy})
    with pytest.raises(UserError, match=rf"Got algorithm.policy='{policy}' for {algorithm}; allow"):
        agent_of(config.model_copy(update={"algorithm": named}))


@pytest.mark.parametrize("arch", [{"pi": [8]}, {"vf": [8]}, {}])
def test_layers_that_are_not_named_are_none(arch):
    agent, env = agent_of(config_of(policy_kwargs={"net_arch": arch}))
    assert agent.predict(env.reset())[0].shape == (env.num_envs,)
