"""`python -m agents.examples.torchrl_ppo`: a few PPO updates with TorchRL on `gymnasium.make`.

Needs torchrl; see the README of this folder.
"""
# pyright: reportMissingImports=false

import json

import gymnasium as gym
import torch
from tensordict.nn import ProbabilisticTensorDictModule as Choice
from tensordict.nn import ProbabilisticTensorDictSequential as Chain
from tensordict.nn import TensorDictModule
from torch.distributions import Categorical
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper, RewardSum, TransformedEnv
from torchrl.envs.utils import check_env_specs
from torchrl.modules import MLP, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import lm_envs

gym.register_envs(lm_envs)

UPDATES, STEPS, EPOCHS = 6, 512, 4


def make_env() -> TransformedEnv:
    """Makes one language environment as TorchRL sees it."""
    plain = gym.make("lm_envs/NextWord-v0", max_new_tokens=8)
    return TransformedEnv(GymWrapper(plain, categorical_action_encoding=True), RewardSum())


def main() -> None:
    """Trains and prints the mean return of each update's episodes."""
    torch.manual_seed(0)
    env = make_env()
    check_env_specs(env)
    size, num_actions = env.observation_spec["observation"].shape[-1], env.action_spec.n
    network = MLP(size, num_actions, num_cells=[64, 64], activation_class=torch.nn.Tanh)
    choice = Choice(["logits"], ["action"], distribution_class=Categorical, return_log_prob=True)
    actor = Chain(TensorDictModule(network, ["observation"], ["logits"]), choice)
    critic = ValueOperator(MLP(size, 1, num_cells=[64, 64], activation_class=torch.nn.Tanh))
    advantage = GAE(gamma=1.0, lmbda=0.95, value_network=critic)
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.01, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
    history = []
    amounts = {"frames_per_batch": STEPS, "total_frames": UPDATES * STEPS}
    collector = Collector(env, actor, **amounts, auto_register_policy_transforms=False)
    for batch in collector:
        for _ in range(EPOCHS):
            advantage(batch)
            for part in batch.reshape(-1)[torch.randperm(STEPS)].split(STEPS // 4):
                terms = loss(part)
                optimizer.zero_grad()
                (terms["loss_objective"] + terms["loss_critic"] + terms["loss_entropy"]).backward()
                optimizer.step()
        over = batch["next", "done"].squeeze(-1)
        history.append(round(float(batch["next", "episode_reward"][over].mean()), 3))
    collector.shutdown()
    print(json.dumps({"returns": history}))


if __name__ == "__main__":
    main()
