"""The parts of an environment, put together from plain arguments.

Owns the meaning of the constructor's arguments; each is checked here, before anything is allocated.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_envs.envs.actions import cached_reader
from lm_envs.envs.actions.choices import ChoiceWriter
from lm_envs.envs.actions.read_write import NUM_CANDIDATES, SimultaneousWriter
from lm_envs.envs.actions.token_writer import TokenWriter, Writer
from lm_envs.envs.actions.tokens import KINDS, make_actions, read_spec
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.build import Observation, make_observation
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine
from lm_envs.model.kv_cache import CACHE_DTYPES
from lm_envs.model.prompt_cache import shared as shared_prompts
from lm_envs.tasks import TASKS
from lm_envs.tasks.base import Task
from lm_envs.tasks.translation import Translation
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import (
    UnexpectedArgumentError,
    check_choice,
    check_count,
    check_types,
    did_you_mean,
)

CHOICES = {"choices": ("scores",)}
"""The kind of actions that chooses lines, and its options."""

READ_WRITE: dict[str, tuple[str, ...]] = {"read_write": ()}
"""The kind of actions of a simultaneous translation, and its options."""

_NUM_CANDIDATES = {"choices": 1, "read_write": NUM_CANDIDATES}


@dataclass(frozen=True, slots=True)
class Components:
    """What a `LanguageVectorEnv` is made of."""

    tokenizer: Tokenizer
    task: Task
    engine: Engine
    episodes: EpisodeBuffer
    writer: Writer
    observation: Observation


def build(
    num_rows: int,
    task: str,
    task_options: Mapping[str, Any],
    *,
    model: str,
    device: str,
    dtype: str,
    actions: str | Mapping[str, Any],
    observation: str | Mapping[str, Any],
    prompt_cache: int,
    cache_dtype: str,
) -> Components:
    """Components of an environment with N rows.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """
    check_choice("task", task, TASKS)
    own = {"model": model, "device": device, "dtype": dtype}
    check_types(build, own | {"actions": actions, "observation": observation})
    check_task_options(TASKS[task], task_options)
    check_count("num_envs", num_rows)
    check_count("prompt_cache", prompt_cache, least=0)
    check_choice("cache_dtype", cache_dtype, CACHE_DTYPES)
    folder = loading.locate(model)
    tokenizer = Tokenizer.from_folder(folder)
    kind, options = read_spec("actions", actions, KINDS | CHOICES | READ_WRITE)
    made: Task = TASKS[task](tokenizer, **task_options)
    _check_offers(made, task, kind)
    network = loading.load(folder, device, dtype)
    check_fit(network, tokenizer, made.context_tokens, model)
    tokenizer.widen(network.config.vocab_size)
    episodes = EpisodeBuffer(num_rows, made, tokenizer)
    chosen = make_actions(kind, options, network) if kind in KINDS else None
    engine = Engine(
        network,
        num_rows,
        capacity=made.context_tokens,
        num_candidates=chosen.num_candidates if chosen else _NUM_CANDIDATES[kind],
        end_token=tokenizer.end_token,
        cache_dtype=cache_dtype,
        prompts=shared_prompts(network, prompt_cache * 2**20) if prompt_cache else None,
    )
    if chosen:
        writer = TokenWriter(chosen, engine, episodes, made)
    elif isinstance(made, Translation) and kind in READ_WRITE:
        writer = SimultaneousWriter(engine, episodes, made, tokenizer)
    else:
        memory = cached_reader.shared(network, cache_dtype)
        writer = ChoiceWriter(made.num_options, engine, episodes, made, tokenizer, memory)
    shows_scores = options.get("scores", True)
    check_choice("scores", shows_scores, (True, False))
    seen = make_observation(
        observation, network, writer, made, name=model, shows_scores=shows_scores
    )
    return Components(tokenizer, made, engine, episodes, writer, seen)


def check_task_options(
    task_class: type, options: Mapping[str, Any], refused: Sequence[str] = ()
) -> None:
    """Refuses what a task does not take, and what has no meaning here.

    Raises:
        UnexpectedArgumentError: Naming the closest argument that there is.
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
                f"{', '.join(allowed)}.{did_you_mean(name, allowed)}"
            )
    check_types(task_class.__init__, options)


def _check_offers(task: Task, name: str, kind: str) -> None:
    is_simultaneous = isinstance(task, Translation) and task.is_simultaneous
    if is_simultaneous != (kind in READ_WRITE):
        raise ValueError(
            f"Got actions={kind!r} for {name!r}; 'read_write' and mode='simultaneous' of a "
            "translation go together, and with nothing else."
        )
    if kind in CHOICES and task.num_options < 2:
        raise ValueError(
            f"Got actions='choices', but {name!r} offers no lines to choose from; allowed here: "
            "'top_k', 'vocabulary', 'embedding'."
        )


def check_fit(network: LanguageModel, tokenizer: Tokenizer, capacity: int, model: str) -> None:
    """Refuses texts longer than a model reads, and a tokenizer of more words than it has.

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
            f"Got a tokenizer of {len(tokenizer)} words beside a model of {config.vocab_size} in "
            f"{model!r}; save the tokenizer that the model was trained with."
        )
