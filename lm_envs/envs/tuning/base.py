"""Environments whose actions adjust the model: N models, each judged by passages of its row's own.

Owns the episodes. What an adjustment is, and what it is worth, is said by the tuner.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs.envs.base import EpisodicVectorEnv, check_modes
from lm_envs.envs.factory import check_fit, check_task_options
from lm_envs.envs.reset_options import indexed_rows
from lm_envs.envs.snapshots import check_parts
from lm_envs.envs.tuning.passages import PassageGroups, Passages
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.tasks import TASKS
from lm_envs.tasks.base import Task
from lm_envs.tasks.translation import Translation
from lm_envs.tokenizer import Tokenizer
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript
from lm_envs.validation import check_choice, check_count, check_types, is_whole

LOSS_DECIMALS = 4
"""LossCache are rounded at their source, so that all who compute with them see the same."""

ONE_TURN = [name for name, task in TASKS.items() if getattr(task, "max_turns", None) == 1]
"""Tasks whose prompt and reference are a whole text."""

REFUSED = ("rewards", "costs")
"""Arguments of tasks that say what is paid for a text."""

LARGEST_FALL = 20.0
"""No loss is seen to fall or rise by more, nats a token."""

NOTHING = np.zeros(0, np.int64)


class Tuner(ABC):
    """Who adjusts the models of N rows, and what they lose by it.

    Args:
        num_rows: N.

    Attributes:
        space: One row's action space.
        bounds: Lowest and highest of what is seen of a row, (S,) each.
        plans: Policies to beat by name: actions to take one after the other, the last for ever.
        stopped: (N,) bool, whether a row's last action ended its episode.
    """

    space: gym.Space[Any]
    bounds: tuple[np.ndarray, np.ndarray]
    plans: Mapping[str, Sequence[np.ndarray]]

    def __init__(self, num_rows: int) -> None:
        self.stopped = np.zeros(num_rows, bool)
        self._first, self._now = np.zeros((2, num_rows))  # losses, nats a token
        self._passages: list[Passages | None] = [None] * num_rows

    def begin(self, rows: Sequence[int], passages: Sequence[Passages]) -> None:
        """Lets `rows` begin with the model as it is."""
        for row, own in zip(rows, passages, strict=True):
            self._passages[row], self.stopped[row] = own, False
        self._restore(rows)
        self._measure(np.asarray(rows))
        self._first[rows] = self._now[rows]

    def passages_of(self, row: int) -> Passages:
        """What a row is judged by.

        Raises:
            gymnasium.error.ResetNeeded: If it has not begun.
        """
        passages = self._passages[row]
        if passages is None:
            raise gym.error.ResetNeeded("Got no episode yet; call reset() first.")
        return passages

    def masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool.

        Raises:
            ValueError: If actions are continuous: none is out of place then.
        """
        raise ValueError("Got action_masks() of continuous actions; only discrete ones have masks.")

    @abstractmethod
    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Actions of N rows as `adjust` takes them, or a ValueError that names an `active` row."""

    @abstractmethod
    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Does what the actions of `rows` (R,) say; what was done, in words."""

    @abstractmethod
    def seen(self) -> np.ndarray:
        """What there is to see, (N, S) float32."""

    @abstractmethod
    def scores(self) -> dict[str, np.ndarray]:
        """Measures of the models as they are, (N,) each; their `reward` is what they are worth."""

    @abstractmethod
    def _restore(self, rows: Sequence[int]) -> None:
        """Sets the models of `rows` as they were made."""

    @abstractmethod
    def _measure(self, rows: np.ndarray) -> None:
        """Finds what the models of `rows` lose now."""


class TuningVectorEnv(EpisodicVectorEnv):
    """N rows of one kind of tuning.

    Each step pays by how much it raised what the row's model is worth.

    Args:
        num_envs: N.
        make_tuner: Makes who adjusts the models, of the model and its folder.
        task: Name of a task of one turn in `lm_envs.tasks.TASKS`, whose examples are read.
        passages: Examples that an episode is judged by.
        adjustments: Budget: an episode terminates after so many.
        model: As in `LanguageVectorEnv`, like the next four.
        device: The same.
        dtype: The same.
        max_steps: Truncate after this many steps; None for none.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset` and `split`; not what is paid.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """

    def __init__(
        self,
        num_envs: int,
        make_tuner: Callable[[LanguageModel, Path], Tuner],
        *,
        task: str,
        passages: int,
        adjustments: int,
        model: str = loading.EMBEDDED,
        device: str = "auto",
        dtype: str = "auto",
        max_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        check_count("adjustments", adjustments)
        if max_steps is not None:
            check_count("max_steps", max_steps)
        network, self._groups = _assemble(
            num_envs, task, passages, task_options, model, device, dtype
        )
        self.tuner = make_tuner(network, loading.locate(model))
        self._rows = range(num_envs)
        self._budget = adjustments
        self._max_steps = np.inf if max_steps is None else max_steps
        self._actions: list[list[np.ndarray]] = [[] for _ in range(num_envs)]
        self._words: list[list[str]] = [[] for _ in range(num_envs)]
        self._rewards: list[list[float]] = [[] for _ in range(num_envs)]
        self._values = np.zeros(num_envs)
        self._endings: list[Ending | None] = [None] * num_envs
        low, high = self.tuner.bounds
        super().__init__(
            num_envs,
            gym.spaces.Box(np.append(low, np.float32(0.0)), np.append(high, np.float32(1.0))),
            self.tuner.space,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    @property
    def plans(self) -> dict[str, Sequence[np.ndarray]]:
        """Policies to beat by name: actions to take one after the other, the last for ever.

        Those that the budget would cut short are left out.
        """
        plans = self.tuner.plans.items()
        return {name: plan for name, plan in plans if len(plan) - 1 <= self._budget}

    @property
    def num_examples(self) -> int:
        """How many groups of passages there are."""
        return self._groups.num_groups

    @property
    def steps(self) -> np.ndarray:
        """Adjustments of each row's episode, (N,) int64."""
        return np.array([len(actions) for actions in self._actions])

    @property
    def transcripts(self) -> list[Transcript]:
        """Each row's episode so far; what was done stands in the place of text."""
        return [self._transcript(row) for row in self._rows]

    def action_masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool; as sb3-contrib asks for."""
        return self.tuner.masks()

    def _selected_examples(self, options: dict[str, Any]) -> tuple[list[int], Sequence[int | None]]:
        return indexed_rows(options, self.num_envs, self.num_examples)

    def _begin_rows(self, rows: list[int], examples: Sequence[int | None]) -> None:
        groups = []
        for row, pinned in zip(rows, examples, strict=True):
            index = self._rngs[row].integers(self.num_examples) if pinned is None else pinned
            groups.append(self._groups.group(int(index)))
            self._actions[row], self._words[row], self._rewards[row] = [], [], []
            self._endings[row] = None
        self.tuner.begin(rows, groups)
        self._values[rows] = self.tuner.scores()["reward"][rows]

    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        return self.tuner.check(actions, active)

    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Adjusts the models of `rows`."""
        words = self.tuner.adjust(rows, actions[rows])
        worth = self.tuner.scores()["reward"][rows]
        rewards = np.zeros(self.num_envs)
        rewards[rows] = worth - self._values[rows]
        self._values[rows] = worth
        for row, word in zip(rows.tolist(), words, strict=True):
            self._actions[row].append(actions[row].copy())
            self._words[row].append(word)
            self._rewards[row].append(float(rewards[row]))
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        for row in rows.tolist():
            ending = self._endings[row] = self._ending(row)
            truncated[row] = ending in TRUNCATIONS
            terminated[row] = ending is not None and not truncated[row]
        return rewards, terminated, truncated

    def _ending(self, row: int) -> Ending | None:
        steps = len(self._actions[row])
        if self.tuner.stopped[row]:
            return "complete"
        if steps >= self._budget:
            return "budget"
        return "time_limit" if steps >= self._max_steps else None

    def _step_values(self) -> dict[str, np.ndarray]:
        """`text`, what was done so far, and `loss` of the row's passages now, nats a token."""
        texts = ["".join(words) for words in self._words]
        return {"text": np.array(texts, object), "loss": self.tuner.scores()["loss"]}

    def _final_info(self, row: int) -> dict[str, Any]:
        return {
            "prompt": self._prompt(row),
            "reference": "",
            "ending": self._endings[row],
            "scores": self._scores(row),
        }

    def _prompt(self, row: int) -> str:
        return self.tuner.passages_of(row).title

    def _scores(self, row: int) -> dict[str, float]:
        return {name: float(values[row]) for name, values in self.tuner.scores().items()}

    def _transcript(self, row: int) -> Transcript:
        words = tuple(self._words[row])
        return Transcript(
            prompt=self._prompt(row),
            text="".join(words),
            reference="",
            prompt_tokens=NOTHING,
            tokens=NOTHING,
            logprobs=np.zeros(0),
            rewards=np.array(self._rewards[row]),
            token_texts=words,
            ending=self._endings[row],
            scores=self._scores(row) if self._endings[row] else {},
        )

    def _observe(self) -> np.ndarray:
        left = 1.0 - self.steps[:, None] / self._budget
        low, high = self.single_observation_space.low, self.single_observation_space.high  # type: ignore[attr-defined]  # a Box
        return np.concatenate([self.tuner.seen(), left], 1).clip(low, high).astype(np.float32)

    def _get_episodes(self) -> list[dict[str, Any]]:
        passages = map(self.tuner.passages_of, self._rows)
        return [
            {"title": own.title, "index": own.index, "actions": [a.tolist() for a in actions]}
            for own, actions in zip(passages, self._actions, strict=True)
        ]

    def _check_episodes(self, episodes: Any) -> None:  # noqa: ANN401 - a caller's
        if not (isinstance(episodes, list) and len(episodes) == self.num_envs):
            raise ValueError(f"Got a state that is not of {self.num_envs} tuned rows.")
        for row, each in enumerate(episodes):
            if not self._fits(each):
                raise ValueError(
                    f"Got a state whose row {row} is of an environment with other arguments; make "
                    "this one as that one was made."
                )

    def _fits(self, episode: Any) -> bool:  # noqa: ANN401 - a caller's
        """Whether an episode of `_get_episodes` could have been here."""
        check_parts("of tuned rows", episode, ("title", "index", "actions"))
        index, actions = episode["index"], episode["actions"]
        return (
            is_whole(index)
            and 0 <= index < self.num_examples
            and self._groups.group(index).title == episode["title"]
            and isinstance(actions, (list, tuple))
            and len(actions) <= self._budget
            and all(_is_in(self.single_action_space, action) for action in actions)
        )

    def _set_episodes(self, episodes: list[dict[str, Any]]) -> None:
        """Begins each row again and repeats its adjustments."""
        self._begin_rows(list(self._rows), [each["index"] for each in episodes])
        nothing = np.zeros_like(self.action_space.sample())
        for step in range(max(len(each["actions"]) for each in episodes)):
            rows = np.flatnonzero([len(each["actions"]) > step for each in episodes])
            actions = nothing.copy()
            for row in rows.tolist():
                actions[row] = episodes[row]["actions"][step]
            self._act(rows, actions)


def _is_in(space: gym.Space[Any], action: Any) -> bool:  # noqa: ANN401 - a caller's
    """Whether an action, as a list or a number, is one of a space."""
    try:
        return space.contains(np.array(action, space.dtype))
    except (TypeError, ValueError, OverflowError):
        return False


def _assemble(
    num_rows: int,
    task: str,
    passages: int,
    options: Mapping[str, Any],
    model: str,
    device: str,
    dtype: str,
) -> tuple[LanguageModel, PassageGroups]:
    """The model that is adjusted and the passages that it is judged by.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """
    check_choice("task", task, ONE_TURN)
    check_types(_assemble, {"model": model, "device": device, "dtype": dtype})
    check_task_options(TASKS[task], options, REFUSED)
    check_count("num_envs", num_rows)
    check_count("passages", passages)
    folder = loading.locate(model)
    tokenizer = Tokenizer.from_folder(folder)
    made: Task = TASKS[task](tokenizer, **options)
    if isinstance(made, Translation) and made.is_simultaneous:
        raise ValueError("Got mode='simultaneous'; passages are read whole: leave it out.")
    network = loading.load(folder, device, dtype)
    check_fit(network, tokenizer, made.context_tokens, model)
    name = f"{task.replace('_', ' ')}, {options.get('split', 'train')}"
    return network, PassageGroups(tokenizer, made, passages, name)
