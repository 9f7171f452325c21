"""The policy inside RLlib's module computes what it computes in Stable-Baselines3."""

import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.train import AlgorithmConfig
from tests.agents.finished_run import CONFIG, changed
from tests.agents.train_rllib.rllib_run import REASON

pytest.importorskip("ray.rllib", reason=REASON)

from agents.train_rllib.policy_module import PREFIX, PolicyModule

CONTINUOUS = changed(
    env=CONFIG.env.model_copy(update={"kwargs": {"actions": "embedding", "max_new_tokens": 5}})
)
CANDIDATES = changed(
    env=CONFIG.env.model_copy(update={"kwargs": {"observation": "candidates"}}),
    algorithm=AlgorithmConfig(name="PPO", policy="CandidatePolicy", kwargs={"n_steps": 16}),
)


@pytest.mark.parametrize("config", [CONFIG, CONTINUOUS, CANDIDATES])
def test_distributions_and_values_are_those_of_stable_baselines3(config):
    env = make_training_env(config)
    agent = make_algorithm(config, env, None)
    module = PolicyModule(
        observation_space=env.observation_space,
        action_space=env.action_space,
        model_config={"config": config.model_dump()},
    )
    state = {f"{PREFIX}{name}": t.numpy() for name, t in agent.policy.state_dict().items()}
    assert list(module.get_state()) == list(state)
    module.set_state(state)
    observations, _ = agent.policy.obs_to_tensor(env.reset())
    batch = {"obs": observations}
    inputs = module.forward_exploration(batch)["action_dist_inputs"]
    chosen = module.get_exploration_action_dist_cls().from_logits(inputs)
    actions = torch.as_tensor(agent.predict(observations.numpy())[0])
    values, logprobs, entropy = agent.policy.evaluate_actions(observations, actions)
    torch.testing.assert_close(chosen.logp(actions), logprobs)
    torch.testing.assert_close(chosen.entropy(), entropy)
    torch.testing.assert_close(module.compute_values(batch), values.squeeze(-1))
