"""Every number of a run's checkpoint but its clock, and small runs of every algorithm."""

import torch
from safetensors.numpy import load_file
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.config.train import ALGORITHMS
from tests.agents.finished_run import CONFIG, changed


def configured(name, **updates):
    """A run of an algorithm with checkpoints at 96 and 192, or close to them, of 256 steps."""
    kwargs = {"n_steps": 8, "n_epochs": 2} if "PPO" in name else {}
    if name == "RecurrentPPO":
        kwargs["policy_kwargs"] = {"lstm_hidden_size": 8}
    if issubclass(ALGORITHMS[name].kind, OffPolicyAlgorithm):
        kwargs = {"buffer_size": 160, "learning_starts": 64, "batch_size": 8}
        kwargs |= {"policy_kwargs": {"net_arch": [8]}, "gradient_steps": 1}
        kwargs["train_freq"] = 4 if "DQN" in name else 1
    actions = "embedding" if ALGORITHMS[name].acts_on == "continuous" else "top_k"
    env = CONFIG.env.model_copy(update={"kwargs": {"max_new_tokens": 5, "actions": actions}})
    algorithm = CONFIG.algorithm.model_copy(update={"name": name, "kwargs": kwargs})
    evaluation = CONFIG.evaluation.model_copy(update={"episodes": 2, "every": 96})
    common = {"algorithm": algorithm, "env": env, "evaluation": evaluation}
    return changed(checkpoint_every=96, **common, **updates)


def leaves(value, key=""):
    """All values of a checkpoint but the clock, by their path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{key}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, f"{key}.{number}")
    elif not any(clock in key for clock in ("seconds", "time/", ".t")) or "torch" in key:
        yield key, value


def state(folder):
    found = dict(leaves(torch.load(folder / "checkpoint.pt", weights_only=True)))
    if found.get(".replay"):
        found |= {name: torch.tensor(v) for name, v in load_file(folder / found[".replay"]).items()}
    return found
