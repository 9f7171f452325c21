"""The parts of an environment, put together from plain arguments.

Owns the meaning of the constructor's arguments; each is checked here, before anything is allocated.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gymnasium.vector import AutoresetMode

from lm_envs.checks import check_choice, check_count, did_you_mean
from lm_envs.envs.actions import TopKActions, make_actions
from lm_envs.envs.episodes import Episodes
from lm_envs.envs.observations import HiddenObservation, make_observation
from lm_envs.model import weights
from lm_envs.model.engine import Engine
from lm_envs.model.gpt2 import GPT2
from lm_envs.tasks import TASKS
from lm_envs.tasks.task import Task
from lm_envs.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Parts:
    """What a `LanguageVectorEnv` is made of."""

    tokenizer: Tokenizer
    task: Task
    engine: Engine
    episodes: Episodes
    actions: TopKActions
    observation: HiddenObservation


def assemble(
    num_rows: int,
    task: str,
    task_options: Mapping[str, Any],
    *,
    model: str,
    device: str,
    dtype: str,
    actions: str | Mapping[str, Any],
    observation: str,
) -> Parts:
    """Parts of an environment with N rows.

    Raises:
        ValueError: If an argument is not allowed; the message names the allowed values.
    """
    check_choice("task", task, TASKS)
    _check_task_options(TASKS[task], task_options)
    check_count("num_envs", num_rows)
    folder = weights.locate(model)
    tokenizer = Tokenizer.from_folder(folder)
    made: Task = TASKS[task](tokenizer, **task_options)
    network = weights.load(folder, device, dtype)
    capacity = made.prompt_tokens + made.max_new_tokens
    _check_fit(network, tokenizer, capacity, model)
    chosen = make_actions(actions, network.config.vocab_size)
    engine = Engine(
        network,
        num_rows,
        capacity=capacity,
        num_candidates=chosen.num_candidates,
        end_token=tokenizer.end_token,
    )
    seen = make_observation(observation, network, chosen.num_candidates)
    episodes = Episodes(num_rows, made.max_new_tokens, tokenizer)
    return Parts(tokenizer, made, engine, episodes, chosen, seen)


def autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Gymnasium's enum from its value or its name in lower case."""
    if isinstance(mode, AutoresetMode):
        return mode
    names = {member.name.lower(): member for member in AutoresetMode}
    check_choice("autoreset_mode", mode, names)
    return names[mode]


def _check_task_options(task_class: type, options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(task_class).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in allowed:
            raise ValueError(
                f"Got unknown argument {name!r}; allowed: the environment's own and "
                f"{', '.join(allowed)}.{did_you_mean(name, allowed)}"
            )


def _check_fit(network: GPT2, tokenizer: Tokenizer, capacity: int, model: str) -> None:
    config = network.config
    if capacity > config.n_positions:
        raise ValueError(
            f"Got prompt_tokens + max_new_tokens = {capacity}; {model!r} reads at most "
            f"{config.n_positions} tokens. Lower one of them."
        )
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"Got a tokenizer of {len(tokenizer)} words beside a model of {config.vocab_size} in "
            f"{model!r}; save the tokenizer that the model was trained with."
        )
