"""`python -m agents.examples.cleanrl_style_ppo`: PPO in one file, on `gymnasium.make_vec` alone.

In the style of CleanRL: no trainer and no callbacks, all details of the algorithm in this file.
Needs torch and gymnasium; knows nothing of Stable-Baselines3.

Source: Schulman et al. 2017, https://arxiv.org/abs/1707.06347.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

import lm_envs

gym.register_envs(lm_envs)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of the command line."""

    env_id: str = "lm_envs/NextWord-v0"
    num_envs: int = 64
    num_steps: int = 24
    num_updates: int = 100
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 3e-4
    gamma: float = 1.0
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    max_grad_norm: float = 0.5
    seed: int = 0


class Agent(nn.Module):
    """Policy and value function: separate networks of two hidden layers."""

    def __init__(self, num_features: int, num_actions: int) -> None:
        super().__init__()
        self.policy = _network(num_features, num_actions, last_gain=0.01)
        self.value = _network(num_features, 1, last_gain=1.0)

    def act(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Samples actions; returns them, their log-probabilities and state values, (N,) each."""
        distribution = Categorical(logits=self.policy(states))
        actions = distribution.sample()
        return actions, distribution.log_prob(actions), self.value(states).squeeze(-1)


@dataclass(slots=True)
class Rollout:
    """T steps of N rows: (T, N, D) states, (T, N) everything else."""

    states: torch.Tensor
    actions: torch.Tensor
    logprobs: torch.Tensor
    values: torch.Tensor
    rewards: torch.Tensor
    is_over: torch.Tensor


def train(settings: Settings) -> list[float]:
    """Trains an agent; returns the mean episode return of every update."""
    torch.manual_seed(settings.seed)
    env = gym.make_vec(settings.env_id, settings.num_envs, autoreset_mode="same_step")
    agent = Agent(env.single_observation_space.shape[0], int(env.single_action_space.n))  # type: ignore[index,attr-defined]  # Box and Discrete
    optimizer = torch.optim.Adam(agent.parameters(), lr=settings.learning_rate, eps=1e-5)
    state = torch.as_tensor(env.reset(seed=settings.seed)[0])
    returns, history, start = np.zeros(settings.num_envs), [], time.monotonic()
    for update in range(settings.num_updates):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1.0 - update / settings.num_updates)
        rollout, state, finished = collect(env, agent, state, returns, settings)
        with torch.no_grad():
            last_value = agent.value(state).squeeze(-1)
        advantages = estimate(rollout, last_value, settings)
        improve(agent, optimizer, rollout, advantages, settings)
        history.append(float(np.mean(finished)) if finished else float("nan"))
        if update % 10 == 0 or update == settings.num_updates - 1:
            steps = (update + 1) * settings.num_envs * settings.num_steps
            speed = steps / (time.monotonic() - start)
            print(f"step {steps:>8}  return {history[-1]:+.3f}  {speed:,.0f} steps/s", flush=True)
    env.close()
    return history


def collect(
    env: gym.vector.VectorEnv,
    agent: Agent,
    state: torch.Tensor,
    returns: np.ndarray,
    settings: Settings,
) -> tuple[Rollout, torch.Tensor, list[float]]:
    """Collects a rollout; returns it, the states after it, and the returns of finished episodes.

    The reward of a truncated row includes the discounted value of its final state (bootstrapping).
    """
    columns: list[tuple[torch.Tensor, ...]] = []
    finished: list[float] = []
    for _ in range(settings.num_steps):
        with torch.no_grad():
            actions, logprobs, values = agent.act(state)
        following, rewards, terminated, truncated, infos = env.step(actions.numpy())
        is_over = terminated | truncated
        returns += rewards
        finished += returns[is_over].tolist()
        returns[is_over] = 0.0
        for row in np.flatnonzero(truncated & ~terminated):
            with torch.no_grad():
                final_value = agent.value(torch.as_tensor(infos["final_obs"][row]))
            rewards[row] += settings.gamma * float(final_value)
        step_rewards = torch.as_tensor(rewards, dtype=torch.float32)
        columns.append((state, actions, logprobs, values, step_rewards, torch.as_tensor(is_over)))
        state = torch.as_tensor(following)
    stacked = (torch.stack(column) for column in zip(*columns, strict=True))
    return Rollout(*stacked), state, finished


def estimate(rollout: Rollout, last_value: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Computes advantages (T, N) by generalized advantage estimation (https://arxiv.org/abs/1506.02438)."""
    advantages = torch.zeros_like(rollout.rewards)
    advantage, next_value = torch.zeros_like(last_value), last_value
    for t in reversed(range(len(rollout.rewards))):
        continues = (~rollout.is_over[t]).float()
        delta = rollout.rewards[t] + settings.gamma * next_value * continues - rollout.values[t]
        advantage = delta + settings.gamma * settings.gae_lambda * continues * advantage
        advantages[t], next_value = advantage, rollout.values[t]
    return advantages


def improve(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    advantages: torch.Tensor,
    settings: Settings,
) -> None:
    """Takes optimizer steps on the clipped objective of one rollout, for some epochs."""
    targets = (advantages + rollout.values).flatten()
    flat = [
        tensor.flatten(0, 1)
        for tensor in (rollout.states, rollout.actions, rollout.logprobs, advantages)
    ]
    for _ in range(settings.epochs):
        for part in torch.randperm(len(targets)).chunk(settings.minibatches):
            states, actions, old_logprobs, gains = (tensor[part] for tensor in flat)
            gains = (gains - gains.mean()) / (gains.std() + 1e-8)
            distribution = Categorical(logits=agent.policy(states))
            ratio = (distribution.log_prob(actions) - old_logprobs).exp()
            clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
            loss = -torch.min(gains * ratio, gains * clipped).mean()
            loss += settings.value_weight * F.mse_loss(
                agent.value(states).squeeze(-1), targets[part]
            )
            loss -= settings.entropy_weight * distribution.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), settings.max_grad_norm)
            optimizer.step()


def _network(inputs: int, outputs: int, last_gain: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size_in, size_out, gain in (
        (inputs, 64, 2**0.5),
        (64, 64, 2**0.5),
        (64, outputs, last_gain),
    ):
        layer = nn.Linear(size_in, size_out)
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def main() -> None:
    """Parses the settings, trains, and prints the result as one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    history = train(Settings(**vars(parser.parse_args())))
    print(json.dumps({"first_return": history[0], "last_return": history[-1]}))


if __name__ == "__main__":
    main()
