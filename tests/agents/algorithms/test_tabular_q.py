import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from agents.algorithms.tabular_q import TabularQ

GAMMA = 0.8
STATES, ACTIONS = 6, 3


class ChainVecEnv(VecEnv):
    """N walks in one random MDP; noisy rewards; terminates by chance, truncates after `horizon`."""

    render_mode = None

    def __init__(self, num_envs=64, horizon=20, end_share=0.1):
        rng = np.random.default_rng(3)
        self.moves = rng.dirichlet(np.full(STATES, 0.5), (STATES, ACTIONS))  # P(s'|s, a)
        self.rewards = rng.uniform(-1, 1, (STATES, ACTIONS))
        self.ends = end_share * rng.random((STATES, ACTIONS))  # P(end|s, a)
        self.horizon = horizon
        super().__init__(num_envs, gym.spaces.Discrete(STATES), gym.spaces.Discrete(ACTIONS))

    def reset(self):
        self._rng = np.random.default_rng(self._seeds[0])
        self._states = np.zeros(self.num_envs, np.int64)
        self._steps = np.zeros(self.num_envs, np.int64)
        return self._states.copy()

    def step_async(self, actions):
        self._actions = actions

    def step_wait(self):
        places = self._states, self._actions
        rewards = self.rewards[places] + self._rng.normal(scale=0.1, size=self.num_envs)
        terminated = self._rng.random(self.num_envs) < self.ends[places]
        shares = self.moves[places].cumsum(1)
        reached = (shares < self._rng.random((self.num_envs, 1))).sum(1).clip(max=STATES - 1)
        self._steps += 1
        truncated = (self._steps >= self.horizon) & ~terminated
        is_over = terminated | truncated
        infos = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(is_over):
            ends = {"terminal_observation": reached[row], "TimeLimit.truncated": truncated[row]}
            infos[row] = ends
        self._states = np.where(is_over, 0, reached)
        self._steps[is_over] = 0
        return self._states.copy(), rewards, is_over, infos

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs

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
    env = ChainVecEnv(num_envs=2_048)
    epsilon = 0.5 if update == "expected_sarsa" else 1.0
    eps = {"exploration_initial_eps": epsilon, "exploration_final_eps": epsilon}
    rates = {"learning_rate": 1.0, "visit_decay": 0.8}
    agent = TabularQ("TablePolicy", env, seed=0, update=update, gamma=GAMMA, **eps, **rates).learn(
        6_000_000
    )
    exact = env.fixed_point(0.5 if update == "expected_sarsa" else 0.0)
    assert np.abs(agent.values - exact).max() < 1e-2


def test_expected_sarsa_is_optimal_in_the_limit_of_no_exploration():
    env = ChainVecEnv()
    rates = {"learning_rate": 1.0, "visit_decay": 0.6, "exploration_final_eps": 0.02}
    agent = TabularQ(
        "TablePolicy", env, seed=0, update="expected_sarsa", gamma=GAMMA, **rates
    ).learn(300_000)
    np.testing.assert_array_equal(agent.values.argmax(1), env.fixed_point().argmax(1))


@pytest.mark.parametrize("update", ["q", "double_q", "expected_sarsa"])
def test_values_go_on_past_a_truncation_and_stop_at_a_termination(update):
    venv = make_vec_env(lambda: gym.wrappers.TimeLimit(Corridor(), 3), n_envs=4)
    settings = {"learning_rate": 0.5, "exploration_final_eps": 1.0}
    agent = TabularQ("TablePolicy", venv, seed=0, update=update, gamma=GAMMA, **settings).learn(
        4_000
    )
    endless = 0.5 * GAMMA if update == "expected_sarsa" else GAMMA  # its policy ends half the time
    going_on = (1 + endless * (update == "expected_sarsa")) / (1 - endless)
    np.testing.assert_allclose(agent.values, [[going_on, 1.0]], atol=1e-3)


def test_epsilon_falls_linearly_and_stays():
    seen = []
    agent = TabularQ("TablePolicy", ChainVecEnv(10), exploration_final_eps=0.2)
    agent.learn(100, lambda *_: seen.append(agent.table.epsilon.item()) or True)
    np.testing.assert_allclose(seen, [1.0, 0.84, 0.68, 0.52, 0.36, *[0.2] * 5])


def test_a_callback_stops_the_training():
    agent = TabularQ("TablePolicy", ChainVecEnv(), seed=0)
    agent.learn(10**9, lambda *_: agent.num_timesteps < 640)
    assert agent.num_timesteps == 640


def test_the_step_at_which_a_callback_stops_is_not_learned_from():
    """Regression: a run that stopped at its reward had one update more than its checkpoint."""
    agent, whole = (TabularQ("TablePolicy", ChainVecEnv(), seed=0) for _ in range(2))
    agent.learn(10**9, lambda *_: agent.num_timesteps < 640)
    whole.learn(640 - 64)
    assert whole.table.visits.sum() == 640 - 64
    assert agent.table.visits.sum() == 640 - 64


def test_a_saved_agent_acts_alike(tmp_path):
    env = ChainVecEnv()
    agent = TabularQ("TablePolicy", env, seed=0, update="double_q", gamma=0.5).learn(2_000)
    agent.save(tmp_path / "agent.safetensors")
    loaded = TabularQ.load(tmp_path / "agent.safetensors", env)
    assert loaded.settings == agent.settings
    assert loaded.num_timesteps == agent.num_timesteps
    np.testing.assert_array_equal(loaded.table.tables, agent.table.tables)
    states = np.arange(STATES).repeat(20)
    for deterministic in (True, False):
        chosen = []
        for either in (agent, loaded):
            either.set_random_seed(1)
            chosen.append(either.predict(states, deterministic=deterministic)[0])
        np.testing.assert_array_equal(*chosen)


def test_sb3s_evaluation_takes_the_agent():
    venv = make_vec_env(lambda: gym.wrappers.TimeLimit(Corridor(), 3), n_envs=2)
    agent = TabularQ("TablePolicy", venv, seed=0, gamma=GAMMA).learn(2_000)
    assert evaluate_policy(agent, venv, n_eval_episodes=4) == (3.0, 0.0)


def test_states_of_many_numbers_are_refused():
    with pytest.raises(ValueError, match=r"Got observations Box of shape .*agents.fit_reducer"):
        TabularQ("TablePolicy", make_vec_env("CartPole-v1"))


def test_continuous_actions_are_refused():
    env = ChainVecEnv()
    env.action_space = gym.spaces.Box(-1, 1, (2,))
    with pytest.raises(ValueError, match=r"Got actions Box.*use SAC or TD3"):
        TabularQ("TablePolicy", env)


def test_settings_out_of_range_are_refused():
    for settings in ({"update": "sarsa"}, {"gamma": 1.5}):
        with pytest.raises(ValueError, match="allowed"):
            TabularQ("TablePolicy", ChainVecEnv(), **settings)
