"""Facts of a registered id, taken from the environment that `gymnasium.make(id)` returns.

Owns where each fact is found: spaces, columns, what actions write, scores, infos, arguments. Knows
nothing of Markdown or Sphinx.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.envs.actions import ChoiceActions, ShowWordsActions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.building import REFUSED
from lm_envs.tasks import resolve
from lm_envs_docs.docstrings import entries

NAMESPACE = "lm_envs"
SET_BY_VIEW = ("num_envs", "autoreset_mode", "group_size")
"""Parameters of a batch, which `gymnasium.make` sets for its one row."""

END_OF_TEXT = "(end of text)"

SEED = 0
"""Of the episode that is shown."""


class Column(NamedTuple):
    """Numbers of an observation that stand side by side: name, first index, size and bounds."""

    name: str
    first: int
    size: int
    low: float
    high: float


class Argument(NamedTuple):
    """A keyword argument of `gymnasium.make`, its default, and its docstring."""

    name: str
    default: Any
    meaning: str


class Action(NamedTuple):
    """A discrete action, or a component of a continuous one, and what it does at the start."""

    label: str
    effect: str
    probability: float | None = None


def own_ids() -> list[str]:
    """Returns the registered ids of this library, in the order of their registration."""
    return [env_id for env_id, spec in gym.registry.items() if spec.namespace == NAMESPACE]


def page_class(env_id: str) -> type:
    """Returns the class that documents an id."""
    return load_env_creator(gym.spec(env_id).entry_point)


def batch_of(env: gym.Env) -> EpisodicVectorEnv:
    """Returns the one-row batch behind a single environment."""
    return env.unwrapped.batch


def space_text(space: gym.Space[Any]) -> str:
    """Returns a space in one line; of bounds that differ, the lowest and the highest."""
    if isinstance(space, gym.spaces.Dict):
        return f"Dict({', '.join(f'{key}: {space_text(each)}' for key, each in space.items())})"
    if isinstance(space, gym.spaces.Box):
        low, high = float(space.low.min()), float(space.high.max())
        return f"Box({low:.4g}, {high:.4g}, {space.shape}, {space.dtype})"
    return str(space)


def columns(space: gym.Space[Any], prefix: str = "") -> list[Column]:
    """Returns the columns of an observation space, by name where the space has names.

    Columns without names are grouped by their bounds; an array of several axes is one column.
    """
    if isinstance(space, gym.spaces.Dict):
        return [each for key in space for each in columns(space[key], f"{key}")]
    if not isinstance(space, gym.spaces.Box):
        return []
    low, high = space.low.astype(float), space.high.astype(float)
    if len(space.shape) != 1 or prefix:
        return [Column(prefix, 0, low.size, low.min(), high.max())]
    slices = getattr(space, "columns", None) or dict(_same_bounds(low, high))
    return [
        Column(name, part.start, part.stop - part.start, low[part].min(), high[part].max())
        for name, part in slices.items()
    ]


def _same_bounds(low: np.ndarray, high: np.ndarray) -> Iterator[tuple[str, slice]]:
    differs = (np.diff(low) != 0) | (np.diff(high) != 0)
    edges = [0, *(np.flatnonzero(differs) + 1).tolist(), len(low)]
    for number, (start, stop) in enumerate(pairwise(edges)):
        yield f"part {number + 1}", slice(start, stop)


def actions(env: gym.Env) -> list[Action]:
    """Returns what each action does after `reset(seed=0)`; nothing where names would be thousands.

    The tokens that the model proposes with their probabilities, the lines to choose from, or the
    parts of the model that an action adjusts.
    """
    env.reset(seed=SEED)
    batch = batch_of(env)
    if hasattr(batch, "tuner"):
        names = batch.tuner.action_names
        return [Action(str(number), name) for number, name in enumerate(names)]
    task, example = batch.task, batch.episodes.examples[0]
    if isinstance(batch.actions, ChoiceActions):
        lines = task.options(example, [])
        return [Action(str(number), line.text) for number, line in enumerate(lines)]
    if isinstance(batch.actions, ShowWordsActions):
        (word,) = batch.actions.next_words()
        return [Action("0", f"leave out {word!r}"), Action("1", f"show {word!r}")]
    outputs = batch.outputs
    if outputs.candidates.shape[1] != getattr(env.action_space, "n", 0):
        return []
    tokenizer = batch.tokenizer
    texts = [
        END_OF_TEXT if token in tokenizer.end_tokens else tokenizer.decode(token[None])
        for token in outputs.candidates[0]
    ]
    chances = np.exp(outputs.logprobs[0].astype(float))
    ranks = range(len(texts))
    numbers = [int(batch.actions_for_ranks(np.full(1, rank))[0]) for rank in ranks]
    return [
        Action(str(number), text, float(chance))
        for number, text, chance in sorted(zip(numbers, texts, chances, strict=True))
    ]


def weights(env: gym.Env) -> dict[str, float] | None:
    """Returns the default weights of the reward; None where the reward is no weighted sum."""
    task = getattr(batch_of(env), "task", None)
    return None if task is None else dict(task.reward.weights)


def arguments(env: gym.Env) -> list[Argument]:
    """Returns the keyword arguments of an id with their real defaults, each once.

    Those of the page, of its vector environment, of the base class, and of the task.
    """
    batch = batch_of(env)
    page = sys.modules[type(env.unwrapped).__module__]
    task = getattr(batch, "task", None)
    sources = [each for each in type(batch).__mro__ if each.__module__.startswith(NAMESPACE)]
    found: dict[str, Argument] = {}
    for source in [*sources, *([type(task)] if task is not None else [_tuned_task(env)])]:
        for each in _own_arguments(source):
            found.setdefault(each.name, each)
    for name, default in getattr(page, "DEFAULTS", {}).items():
        found[name] = found[name]._replace(default=default)
    if task is not None:
        found["rewards"] = found["rewards"]._replace(default=weights(env))
    else:
        for name in REFUSED:  # the loss is the reward
            found.pop(name, None)
    # A base class documents what it takes without a default.
    meanings = {name: text for source in sources for name, text in _meanings(source).items()}
    return [
        each._replace(meaning=each.meaning or meanings.get(each.name, ""))
        for each in found.values()
    ]


def _tuned_task(env: gym.Env) -> Callable[..., Any]:
    parameters = inspect.signature(type(batch_of(env)).__init__).parameters
    return resolve(parameters["task"].default)


def _own_arguments(source: Any) -> Iterator[Argument]:  # noqa: ANN401 - a class
    if "__init__" not in vars(source):
        return
    meanings = _meanings(source)
    for name, parameter in inspect.signature(source.__init__).parameters.items():
        is_set_by_page = parameter.default is parameter.empty or name in SET_BY_VIEW
        if not is_set_by_page and parameter.kind is not parameter.VAR_KEYWORD:
            yield Argument(name, parameter.default, meanings.get(name, ""))


def _meanings(source: Any) -> dict[str, str]:  # noqa: ANN401 - a class
    return entries(inspect.getdoc(source) or "", "Args")


class Info(NamedTuple):
    """An entry of `info`: when it is there, its type, and an example."""

    name: str
    when: str
    type_name: str
    example: Any


def infos(env: gym.Env) -> list[Info]:
    """Returns the entries of `info`, from an episode that is played by the model itself."""
    found: dict[str, Info] = {}
    _, info = env.reset(seed=SEED)
    record = {"reset": info}
    for when, info in _steps(env):
        record[when] = info
    for when, each in record.items():
        for name, value in each.items():
            found.setdefault(name, Info(name, when, type(value).__name__, value))
    return list(found.values())


def _steps(env: gym.Env) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the infos of the first and the last step; a tuner then follows its first plan.

    That leaves the model as it is, where an adjustment changes it.
    """
    batch = batch_of(env)
    rules = batch.rule_policies() if isinstance(batch, TuningVectorEnv) else {}
    leave = next(iter(rules.values()), None)
    is_over, is_first = False, True
    while not is_over:
        action = next_action(env) if is_first or leave is None else leave()[0]
        *_, terminated, truncated, info = env.step(action)
        is_over = terminated or truncated
        if is_over:
            yield "end", info
        elif is_first:
            yield "step", info
        is_first = False


def next_action(env: gym.Env) -> Any:  # noqa: ANN401 - of the space
    """Returns the action toward the target, or that of a tuner's last baseline."""
    batch = batch_of(env)
    if hasattr(batch, "oracle_actions"):
        return batch.oracle_actions()[0]
    rules = batch.rule_policies()
    return rules[list(rules)[-1]]()[0]
