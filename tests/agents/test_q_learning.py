import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from agents.q_learning import TabularQ

GAMMA = 0.8
STATES, ACTIONS = 6, 3


class ChainVectorEnv(VectorEnv):
    """N walks in one random MDP; noisy rewards; terminates by chance, truncates after `horizon`."""

    def __init__(self, num_envs=64, horizon=20, end_share=0.1):
        rng = np.random.default_rng(3)
        self.moves = rng.dirichlet(np.full(STATES, 0.5), (STATES, ACTIONS))  # P(s'|s, a)
        self.rewards = rng.uniform(-1, 1, (STATES, ACTIONS))
        self.ends = end_share * rng.random((STATES, ACTIONS))  # P(end|s, a)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.num_envs, self.horizon = num_envs, horizon
        self.single_observation_space = gym.spaces.Discrete(STATES)
        self.single_action_space = gym.spaces.Discrete(ACTIONS)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        self._rng = np.random.default_rng(seed)
        self._states = np.zeros(self.num_envs, np.int64)
        self._steps = np.zeros(self.num_envs, np.int64)
        return self._states.copy(), {}

    def step(self, actions):
        places = self._states, actions
        rewards = self.rewards[places] + self._rng.normal(scale=0.1, size=self.num_envs)
        terminated = self._rng.random(self.num_envs) < self.ends[places]
        shares = self.moves[places].cumsum(1)
        reached = (shares < self._rng.random((self.num_envs, 1))).sum(1).clip(max=STATES - 1)
        self._steps += 1
        truncated = (self._steps >= self.horizon) & ~terminated
        is_over = terminated | truncated
        infos = {"final_obs": np.where(is_over, reached, None), "_final_obs": is_over}
        self._states = np.where(is_over, 0, reached)
        self._steps[is_over] = 0
        return self._states.copy(), rewards, terminated, truncated, infos

    def fixed_point(self, epsilon=0.0):
        """Exact action values of the policy that is greedy but for `epsilon`."""
        values = np.zeros((STATES, ACTIONS))
        for _ in range(500):
            follow = (1 - epsilon) * values.max(1) + epsilon * values.mean(1)
            values = self.rewards + GAMMA * (1 - self.ends) * (self.moves @ follow)
        return values


class Corridor(gym.Env):
    """One state, reward 1 a step; action 1 ends it."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, bool(action), False, {}


@pytest.mark.parametrize("update", ["q", "double_q", "expected_sarsa"])
def test_each_update_reaches_its_exact_fixed_point(update):
    env = ChainVectorEnv(num_envs=2_048)
    epsilon = 0.5 if update == "expected_sarsa" else 1.0
    eps = {"exploration_initial_eps": epsilon, "exploration_final_eps": epsilon}
    rates = {"learning_rate": 1.0, "visit_decay": 0.8}
    agent = TabularQ(env, seed=0, update=update, gamma=GAMMA, **eps, **rates).learn(6_000_000)
    exact = env.fixed_point(0.5 if update == "expected_sarsa" else 0.0)
    assert np.abs(agent.values - exact).max() < 1e-2


def test_expected_sarsa_is_optimal_in_the_limit_of_no_exploration():
    env = ChainVectorEnv()
    rates = {"learning_rate": 1.0, "visit_decay": 0.6, "exploration_final_eps": 0.02}
    agent = TabularQ(env, seed=0, update="expected_sarsa", gamma=GAMMA, **rates).learn(300_000)
    np.testing.assert_array_equal(agent.values.argmax(1), env.fixed_point().argmax(1))


@pytest.mark.parametrize("update", ["q", "double_q", "expected_sarsa"])
def test_values_go_on_past_a_truncation_and_stop_at_a_termination(update):
    venv = make_vec_env(lambda: gym.wrappers.TimeLimit(Corridor(), 3), n_envs=4)
    settings = {"learning_rate": 0.5, "exploration_final_eps": 1.0}
    agent = TabularQ(venv, seed=0, update=update, gamma=GAMMA, **settings).learn(4_000)
    endless = 0.5 * GAMMA if update == "expected_sarsa" else GAMMA  # its policy ends half the time
    going_on = (1 + endless * (update == "expected_sarsa")) / (1 - endless)
    np.testing.assert_allclose(agent.values, [[going_on, 1.0]], atol=1e-3)


def test_rows_at_one_entry_move_it_as_one_after_another():
    agent = TabularQ(ChainVectorEnv(), learning_rate=0.1)
    agent._move(np.array([4, 2, 4, 4]), np.array([1.0, 5.0, 1.0, 1.0]))
    np.testing.assert_allclose(agent.values.flat[[2, 4]], [0.5, 1 - 0.9**3])
    averaging = TabularQ(ChainVectorEnv(), learning_rate=1.0, visit_decay=1.0)
    averaging._move(np.array([4]), np.array([6.0]))
    averaging._move(np.array([4, 4]), np.array([1.0, 2.0]))
    assert averaging.values.flat[4] == pytest.approx(3.0)


def test_epsilon_falls_linearly_and_stays():
    seen = []
    env = ChainVectorEnv(num_envs=10)
    TabularQ(env, exploration_fraction=0.5, exploration_final_eps=0.2).learn(
        100, lambda agent: seen.append(agent.epsilon)
    )
    np.testing.assert_allclose(seen, [1.0, 0.84, 0.68, 0.52, 0.36, *[0.2] * 5])


def test_a_callback_stops_the_training():
    agent = TabularQ(ChainVectorEnv(), seed=0).learn(10**9, lambda agent: agent.num_timesteps < 640)
    assert agent.num_timesteps == 640


def test_a_saved_agent_acts_alike(tmp_path):
    env = ChainVectorEnv()
    agent = TabularQ(env, seed=0, update="double_q", gamma=0.5).learn(2_000)
    agent.save(tmp_path / "agent.safetensors")
    loaded = TabularQ.load(tmp_path / "agent.safetensors", env)
    assert loaded.settings == agent.settings
    assert loaded.num_timesteps == agent.num_timesteps
    np.testing.assert_array_equal(loaded.tables, agent.tables)
    states = np.arange(STATES).repeat(20)
    for deterministic in (True, False):
        ours, theirs = (a.predict(states, deterministic=deterministic)[0] for a in (agent, loaded))
        np.testing.assert_array_equal(ours, theirs)


def test_sb3s_evaluation_takes_the_agent():
    venv = make_vec_env(lambda: gym.wrappers.TimeLimit(Corridor(), 3), n_envs=2)
    agent = TabularQ(venv, seed=0, gamma=GAMMA).learn(2_000)
    assert evaluate_policy(agent, venv, n_eval_episodes=4) == (3.0, 0.0)


def test_states_of_many_numbers_are_refused():
    with pytest.raises(ValueError, match=r"Got observations Box of shape .*agents.fit_reducer"):
        TabularQ(make_vec_env("CartPole-v1"))


def test_continuous_actions_are_refused():
    env = ChainVectorEnv()
    env.single_action_space = gym.spaces.Box(-1, 1, (2,))
    with pytest.raises(ValueError, match=r"Got actions Box.*use SAC or TD3"):
        TabularQ(env)


def test_another_autoreset_mode_is_refused():
    env = ChainVectorEnv()
    env.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    with pytest.raises(ValueError, match=r"allowed: SAME_STEP"):
        TabularQ(env)


def test_settings_out_of_range_are_refused():
    for settings in ({"update": "sarsa"}, {"gamma": 1.5}):
        with pytest.raises(ValueError, match="allowed"):
            TabularQ(ChainVectorEnv(), **settings)
