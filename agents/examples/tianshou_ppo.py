"""`python -m agents.examples.tianshou_ppo`: a few PPO updates with Tianshou on `gymnasium.make`.

`DummyVectorEnv` holds single environments. Needs tianshou; see the README of this folder.
"""
# pyright: reportMissingImports=false

import json
from typing import Any

import gymnasium as gym
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic

import lm_envs

gym.register_envs(lm_envs)

ROWS, UPDATES, STEPS = 8, 6, 512


class WithoutInfo(gym.Wrapper):
    """Drops all infos.

    Tianshou stores infos and takes keys that only some steps have, such as `ending`, for NaN.
    """

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        """Starts an episode."""
        return self.env.reset(**arguments)[0], {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Takes an action."""
        return *self.env.step(action)[:4], {}


def make_env() -> gym.Env:
    """Makes one language environment."""
    return WithoutInfo(gym.make("lm_envs/NextWord-v0", max_new_tokens=8))


def main() -> None:
    """Trains and prints the mean return of test episodes before each update."""
    torch.manual_seed(0)
    training, test = (DummyVectorEnv([make_env] * ROWS) for _ in range(2))
    training.seed(0)
    test.seed(ROWS)
    single = make_env()
    body = Net(state_shape=single.observation_space.shape, hidden_sizes=[64, 64])
    actor = DiscreteActor(preprocess_net=body, action_shape=single.action_space.n)  # type: ignore[attr-defined]  # Discrete
    critic = DiscreteCritic(preprocess_net=body)
    policy = ProbabilisticActorPolicy(
        actor=actor,
        dist_fn=torch.distributions.Categorical,
        action_space=single.action_space,
        action_scaling=False,
        action_bound_method=None,
    )
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3), gamma=1.0)
    history: list[float] = []

    def note(epoch: int, env_step: int) -> None:
        result = Collector(algorithm, test).collect(n_episode=4 * ROWS, reset_before_collect=True)
        history.append(round(float(result.returns.mean()), 3))

    algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=Collector(algorithm, training, VectorReplayBuffer(STEPS, ROWS)),
            max_epochs=UPDATES,
            epoch_num_steps=STEPS,
            collection_step_num_env_steps=STEPS,
            batch_size=128,
            update_step_num_repetitions=4,
            training_fn=note,
        )
    )
    print(json.dumps({"returns": history}))


if __name__ == "__main__":
    main()
