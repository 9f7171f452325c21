"""`python -m agents.examples.skrl_ppo`: a few PPO updates with skrl on `gymnasium.make_vec`.

skrl takes the batched environment directly: 64 rows in one forward pass. Needs skrl; see the README
of this folder.
"""
# pyright: reportMissingImports=false

import json
from typing import Any

import gymnasium as gym
import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed
from torch import nn

import lm_envs

gym.register_envs(lm_envs)

ROWS, STEPS, UPDATES = 64, 16, 12


class Policy(CategoricalMixin, Model):
    """Policy over discrete actions."""

    def __init__(self, **spaces: Any) -> None:  # noqa: ANN401 - skrl's own
        Model.__init__(self, **spaces)
        CategoricalMixin.__init__(self)
        self.net = _network(self.num_observations, self.num_actions)

    def compute(self, inputs: dict[str, Any], role: str) -> tuple[torch.Tensor, dict[str, Any]]:
        """Computes logits (N, A)."""
        return self.net(inputs["observations"]), {}


class Value(DeterministicMixin, Model):
    """State-value function."""

    def __init__(self, **spaces: Any) -> None:  # noqa: ANN401 - skrl's own
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.net = _network(self.num_observations, 1)

    def compute(self, inputs: dict[str, Any], role: str) -> tuple[torch.Tensor, dict[str, Any]]:
        """Computes values (N, 1)."""
        return self.net(inputs["observations"]), {}


class Returns(gym.vector.VectorWrapper):
    """Records the return of every episode."""

    def __init__(self, env: gym.vector.VectorEnv) -> None:
        super().__init__(env)
        self.finished: list[float] = []
        self._running = torch.zeros(env.num_envs)

    def step(self, actions: Any) -> Any:  # noqa: ANN401 - Gymnasium's own
        """Steps every row."""
        result = self.env.step(actions)
        self._running += torch.as_tensor(result[1])
        is_over = torch.as_tensor(result[2] | result[3])
        self.finished += self._running[is_over].tolist()
        self._running[is_over] = 0.0
        return result


def _network(inputs: int, outputs: int) -> nn.Sequential:
    hidden = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


def main() -> None:
    """Trains and prints the mean return of the first and the last quarter of the episodes."""
    set_seed(0)
    plain = gym.make_vec("lm_envs/NextWord-v0", ROWS, autoreset_mode="same_step", max_new_tokens=8)
    counted = Returns(plain)
    env = wrap_env(counted, wrapper="gymnasium")
    spaces = {
        "observation_space": env.observation_space,
        "action_space": env.action_space,
        "device": env.device,
    }
    settings = PPO_CFG(
        rollouts=STEPS,
        learning_epochs=4,
        mini_batches=4,
        discount_factor=1.0,
        entropy_loss_scale=0.01,
        value_loss_scale=0.5,
    )
    settings.experiment.write_interval = settings.experiment.checkpoint_interval = 0
    agent = PPO(
        models={"policy": Policy(**spaces), "value": Value(**spaces)},
        memory=RandomMemory(memory_size=STEPS, num_envs=ROWS, device=env.device),
        cfg=settings,
        **spaces,
    )
    trainer = SequentialTrainer(
        env=env, agents=agent, cfg={"timesteps": UPDATES * STEPS, "headless": True}
    )
    trainer.train()
    quarter = len(counted.finished) // 4
    parts = {"first": counted.finished[:quarter], "last": counted.finished[-quarter:]}
    print(json.dumps({name: round(sum(part) / quarter, 3) for name, part in parts.items()}))


if __name__ == "__main__":
    main()
