"""Every number of a run's checkpoint but its clock, and small runs of every algorithm."""

import gymnasium as gym
import torch
from gymnasium.vector import AutoresetMode
from safetensors.numpy import load_file
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.config.train import ALGORITHMS
from agents.evaluation.reducer_fitting import fit, sample_states
from lm_envs.envs.observations.wrappers import model_of
from tests.agents.finished_run import CONFIG, changed


def fitted_reducer(folder):
    """Path of a reducer that makes observations discrete, as a table needs them."""
    mode = {"autoreset_mode": AutoresetMode.SAME_STEP, "max_new_tokens": 5}
    rows = gym.make_vec("lm_envs/NextWord-v0", num_envs=4, **mode)
    path = folder / "hash.safetensors"
    fit("hashed", sample_states(rows, 200), model_of(rows.unwrapped.spec), {}).save(path)
    return path


def configured(name, reducer=None, use_sde=False, **updates):
    """A run of an algorithm with checkpoints at 96 and 192, or close to them, of 256 steps.

    Args:
        name: Of the algorithm.
        reducer: File of the reducer of the observations, for TabularQ.
        use_sde: Whether to explore by noise that depends on the state, with continuous actions.
        updates: Further values of the configuration.
    """
    kwargs = {"n_steps": 8, "n_epochs": 2} if "PPO" in name else {}
    if name == "RecurrentPPO":
        kwargs["policy_kwargs"] = {"lstm_hidden_size": 8}
    if issubclass(ALGORITHMS[name].kind, OffPolicyAlgorithm):
        kwargs = {"buffer_size": 160, "learning_starts": 64, "batch_size": 8}
        kwargs |= {"policy_kwargs": {"net_arch": [8]}, "gradient_steps": 1}
        kwargs["train_freq"] = 4 if "DQN" in name else 1
    if use_sde:
        kwargs["use_sde"] = True
    is_continuous = use_sde or ALGORITHMS[name].acts_on == "continuous"
    actions = "embedding" if is_continuous else "top_k"
    env_kwargs = {"max_new_tokens": 5, "actions": actions}
    if reducer is not None:
        env_kwargs["observation"] = {"kind": "hidden", "reducer": str(reducer)}
    env = CONFIG.env.model_copy(update={"kwargs": env_kwargs})
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
