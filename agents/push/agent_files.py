"""A trained agent as files without code: configuration, safetensors, results and model card.

Owns the names of the files and the form of the tensors. Knows nothing of hubs.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.runs import checkpoints
from agents.runs.finished import untrained_agent
from agents.runs.folder import CONFIG, RESULT, VERSIONS
from agents.runs.logs import METRICS
from agents.runs.manifest import CHECKPOINTS
from lm_envs.storage import read_arrays, write_arrays

TENSORS = "agent.safetensors"
CARD = "README.md"
CURVE = "reward.png"
COPIED = (CONFIG, VERSIONS, RESULT, METRICS, CURVE)
FILES = (TENSORS, CARD, *COPIED)
"""Every file of an agent's repository; no other is sent or fetched."""

_KIND = "agent"
_SEPARATOR = "/"


def write_agent(run: Path, folder: Path, checkpoint: str = "last") -> tuple[list[str], int]:
    """Writes the tensors of a checkpoint and copies of a run's results.

    Args:
        run: Folder of a finished run of `agents.train`.
        folder: Where to write.
        checkpoint: One of `CHECKPOINTS`.

    Returns:
        Names of the files, and environment steps of the checkpoint.

    Raises:
        UserError: If the checkpoint is damaged.
    """
    state = checkpoints.read_state(run / CHECKPOINTS[checkpoint], ["parameters"])
    arrays = dict(_arrays(state["parameters"]))
    step = state.get("num_timesteps", 0)
    write_arrays(folder / TENSORS, arrays, {"kind": _KIND, "step": step, "checkpoint": checkpoint})
    copied = [name for name in COPIED if (run / name).is_file()]
    for name in copied:
        shutil.copy(run / name, folder / name)
    return [TENSORS, *copied], step


def read_agent(folder: Path, config: TrainConfig) -> BaseAlgorithm:
    """Builds the algorithm of a configuration, with the tensors of a folder.

    Raises:
        UserError: If the file is damaged, or its tensors do not fit.
    """
    agent = untrained_agent(config)
    own = agent.get_parameters() | checkpoints.loose_tensors(agent)
    try:
        arrays, _ = read_arrays(folder / TENSORS, [_KIND])
        if set(arrays) != {name for name, _ in _arrays(own)}:
            raise ValueError("it has other tensors than the agent of the configuration")
        # An optimizer's state is not shared: the agent's own, which is new, stays.
        checkpoints.set_parameters(agent, own | _nested(arrays))
    except (ValueError, RuntimeError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"Got {folder / TENSORS}, which does not fit {CONFIG}: {reason}. Fetch it again, or "
            "ask its author for the version of lm_envs."
        ) from None
    return agent


def _arrays(parameters: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the tensors of networks, by "policy/name", and loose ones by their name."""
    for name, values in parameters.items():
        if isinstance(values, torch.Tensor):
            yield name, values.detach().cpu().numpy()
        elif "param_groups" not in values:
            for inner, tensor in values.items():
                yield f"{name}{_SEPARATOR}{inner}", tensor.detach().cpu().numpy()


def _nested(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        outer, separator, inner = name.partition(_SEPARATOR)
        if separator:
            nested.setdefault(outer, {})[inner] = torch.from_numpy(array)
        else:
            nested[outer] = torch.from_numpy(array)
    return nested
