"""The components of a language environment, built from its constructor's arguments.

Owns the meaning of these arguments; each is checked here, before anything is allocated.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.actions.factory import ActionSpec, make_actions
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.base import Observation
from lm_envs.envs.observations.factory import View, make_observation
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine
from lm_envs.model.kv_cache import CACHE_DTYPES
from lm_envs.model.prompt_cache import shared as shared_prompts
from lm_envs.tasks import TaskSpec, resolve
from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer
from lm_envs.tokenizer.chat import ChatTemplate
from lm_envs.validation import (
    UnexpectedArgumentError,
    check_choice,
    check_count,
    check_types,
    did_you_mean,
    path_as_text,
)

OWN_ARGUMENTS = (
    *("model", "device", "dtype", "cache_dtype", "actions", "observation", "dense", "gamma"),
    *("max_steps", "group_size", "prompt_cache", "chat_template", "system_prompt", "user_prompt"),
    *("deterministic", "autoreset_mode", "render_mode"),
)
"""Arguments that every environment of a task has, for a hint at a misspelled one."""

REMEDIES = {
    "dataset": "Name a file: rows that are in memory go to a .jsonl file, one JSON object a line.",
    "rewards": "Give each score a weight, {'fluency': 1.0}; a function of yours is a key too.",
}
"""What to do, by the argument of a task that is of another type."""

USED_OF_TASKS = (
    *("num_examples", "max_new_tokens", "context_tokens", "max_turns", "task_scores", "reward"),
    *("example", "respond"),
)
"""Attributes and methods of a task that an environment needs whatever its actions are."""


@dataclass(frozen=True, slots=True)
class Components:
    """What a `LanguageVectorEnv` is made of."""

    tokenizer: Tokenizer
    task: Task
    engine: Engine
    episodes: EpisodeBuffer
    actions: Actions
    observation: Observation


def build(
    rngs: Sequence[np.random.Generator],
    task: TaskSpec,
    task_options: Mapping[str, Any],
    *,
    model: str,
    device: str,
    dtype: str,
    deterministic: bool,
    actions: ActionSpec,
    observation: Any,  # noqa: ANN401 - see make_observation
    prompt_cache: int,
    cache_dtype: str,
    chat_template: bool,
    system_prompt: str | None,
    user_prompt: str | None,
) -> Components:
    """Returns the components of an environment with one row for each generator.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """
    check_types(build, {"model": model, "device": device, "dtype": dtype})
    _check_caches(prompt_cache, cache_dtype)
    folder = loading.locate(model)
    tokenizer = load_tokenizer(folder, chat_template, system_prompt, user_prompt)
    made, name = make_task(task, tokenizer, task_options)
    if made.reward.models:  # the digest of a large model takes seconds
        made.reward.check_model(loading.fingerprint(model))
    network = load_model(folder, tokenizer, device, dtype, deterministic)
    check_fit(network, tokenizer, made.context_tokens, model)
    setup = Setup(network, tokenizer, made, name)
    chosen = make_actions(actions, setup)
    engine = _make_engine(setup, len(rngs), chosen.num_candidates, cache_dtype, prompt_cache)
    episodes = EpisodeBuffer(len(rngs), made, tokenizer)
    episodes.use_model(engine)
    chosen.attach(setup, engine, episodes, rngs)
    seen = make_observation(observation, View(setup, chosen, model))
    return Components(tokenizer, made, engine, episodes, chosen, seen)


def _check_caches(prompt_cache: object, cache_dtype: object) -> None:
    check_count("prompt_cache", prompt_cache, least=0)
    check_choice("cache_dtype", cache_dtype, CACHE_DTYPES)


def load_model(
    folder: Path, tokenizer: Tokenizer, device: str, dtype: str, deterministic: bool
) -> LanguageModel:
    """Returns the model of a checkpoint's folder, without ids that the tokenizer does not have.

    Raises:
        ValueError: As `lm_envs.model.loading.load`, or if `deterministic` is no truth value.
    """
    check_choice("deterministic", deterministic, (True, False))
    special = tokenizer.special_tokens.tolist()
    return loading.load(folder, device, dtype, len(tokenizer), special, deterministic=deterministic)


def load_tokenizer(
    folder: Path, chat_template: bool, system_prompt: str | None, user_prompt: str | None
) -> Tokenizer:
    """Returns the tokenizer of a checkpoint's folder.

    Args:
        folder: Of the checkpoint.
        chat_template: Whether prompts are put into the tokenizer's chat template.
        system_prompt: Text of the system's message in it; None for none.
        user_prompt: Text of the user's message, with `{prompt}` in place of the prompt; None for
            the prompt alone.

    Raises:
        ValueError: If the tokenizer has no such template, it is malformed, or a text is given
            without it.
    """
    check_choice("chat_template", chat_template, (True, False))
    texts = {"system_prompt": system_prompt, "user_prompt": user_prompt}
    check_types(load_tokenizer, texts)
    for name, text in texts.items():
        if text is not None and not chat_template:
            raise ValueError(f"Got {name}={text!r} without chat_template=True, which renders it.")
    tokenizer = Tokenizer.from_folder(folder)
    if not chat_template:
        return tokenizer
    template = ChatTemplate.from_folder(folder, system_prompt, user_prompt)
    return tokenizer.with_chat_template(template)


def _make_engine(
    setup: Setup, num_rows: int, num_candidates: int, cache_dtype: str, prompt_cache: int
) -> Engine:
    """Returns the model with one KV slot a row; `prompt_cache` is in MiB."""
    size = int(prompt_cache) * 2**20
    return Engine(
        setup.model,
        num_rows,
        capacity=setup.task.context_tokens,
        num_candidates=num_candidates,
        end_token=setup.tokenizer.end_token,
        cache_dtype=cache_dtype,
        prompts=shared_prompts(setup.model, size) if size else None,
    )


def make_task(
    spec: TaskSpec,
    tokenizer: Tokenizer,
    options: Mapping[str, Any],
    refused: Sequence[str] = (),
) -> tuple[Task, str]:
    """Returns a task and its name.

    Args:
        spec: A name, "module:Class", a class, or a task.
        tokenizer: For the class.
        options: Keyword arguments for the class.
        refused: Arguments of the class that have no meaning here.

    Raises:
        UnexpectedArgumentError: If the class has no such argument.
        ValueError: If the task is unknown, or an argument is not allowed.
    """
    kind = resolve(spec)
    name = spec if isinstance(spec, str) else getattr(kind, "__name__", type(kind).__name__)
    options = {option: path_as_text(value) for option, value in options.items()}
    made: Any = kind
    if callable(kind):
        check_task_options(kind, options, refused)
        made = kind(tokenizer, **options)
    else:
        check_task_options(_no_options, options)
    _check_complete(made, name)
    return made, name


def _check_complete(made: object, name: str) -> None:
    """Checks that a task has what every environment uses of it.

    Raises:
        ValueError: Naming what it lacks.
    """
    if missing := [member for member in USED_OF_TASKS if not hasattr(made, member)]:
        raise ValueError(
            f"Got task {name!r} without {', '.join(missing)}; allowed: a task with the attributes "
            "and methods of lm_envs.tasks.Task. Derive from lm_envs.tasks.CompletionTask, and call "
            "its __init__, where one line is written after a prompt."
        )


def check_task_options(
    task_class: Any,  # noqa: ANN401 - a class or a function
    options: Mapping[str, Any],
    refused: Sequence[str] = (),
) -> None:
    """Checks the keyword arguments for a task's class.

    Args:
        task_class: Its keyword-only parameters are allowed.
        options: The arguments.
        refused: Parameters that have no meaning here.

    Raises:
        UnexpectedArgumentError: Naming the closest argument that exists.
        ValueError: If an argument is of a wrong type.
    """
    parameters = inspect.signature(task_class).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in refused]
    for name in options:
        if name == "max_episode_steps":
            raise UnexpectedArgumentError(
                "Got max_episode_steps, which gymnasium.make keeps for a limit from outside; use "
                "max_steps, which ends and scores the episode."
            )
        if name not in allowed:
            raise UnexpectedArgumentError(  # in Python's words: TorchRL looks for them
                f"Got an unexpected keyword argument {name!r}; allowed: the environment's own and "
                f"{', '.join(allowed)}.{did_you_mean(name, [*allowed, *OWN_ARGUMENTS])}"
            )
    check_types(getattr(task_class, "__init__", task_class), options, REMEDIES)


def check_fit(network: LanguageModel, tokenizer: Tokenizer, capacity: int, model: str) -> None:
    """Checks that a model can read texts of `capacity` tokens of a tokenizer.

    Raises:
        ValueError: Naming what to change.
    """
    config = network.config
    if capacity > config.max_positions:
        raise ValueError(
            f"Got prompt_tokens and max_new_tokens for texts of {capacity} tokens; {model!r} reads "
            f"at most {config.max_positions}. Lower one of them."
        )
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"Got a tokenizer of {len(tokenizer)} tokens for a model of {config.vocab_size} in "
            f"{model!r}; save the tokenizer that the model was trained with."
        )


def _no_options(tokenizer: Tokenizer) -> None:
    """The signature of a task that is made already: it takes no arguments."""
