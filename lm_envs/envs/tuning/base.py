"""Environments whose actions adjust the model: N models, each evaluated on its own passages.

Owns the episodes. The tuner implements the adjustments and their rewards.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.modes import check_modes
from lm_envs.envs.observations.base import column_box
from lm_envs.envs.prompt_groups import PromptGroups
from lm_envs.envs.reset_options import selected_indices
from lm_envs.envs.rows import new_generators
from lm_envs.envs.shaping import check_discount, shaped_rewards
from lm_envs.envs.snapshots import check_parts, is_in_space
from lm_envs.envs.tuning.building import build
from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.tuner import Tuner
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.tasks import TaskSpec
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript
from lm_envs.validation import check_count, check_limit, is_whole

NOTHING = np.zeros(0, np.int64)


class TuningVectorEnv(EpisodicVectorEnv):
    """N rows of one kind of tuning.

    An episode has a group of passages: examples of a task, each a prompt and its reference. The
    loss is the mean cross-entropy of the references' tokens, nats a token. A group is drawn from
    the dataset's split; `reset(options={"index": 3})` selects one. The reward of a step is by how
    much it raised the potential of the row's model, which the tuner defines.

    ## Information
    `reset`: `prompt`, a description of the passages. Every step: `text`, a description of the
    adjustments so far, and `loss`. At the end of an episode also `prompt`, `ending` ("complete",
    "budget" or "time_limit") and `scores`.

    ## Vectorized environment
    `gymnasium.make_vec(id, num_envs=16)` adjusts a model in each row, all evaluated in one batch
    where the weights are shared; `autoreset_mode` is "next_step", "same_step" or "disabled".

    Args:
        num_envs: N.
        make_tuner: Returns a tuner for a model and the folder of its checkpoint.
        task: A task of one turn, as in `LanguageVectorEnv`; its examples are the passages.
        passages: Number of examples that an episode is evaluated on.
        adjustments: Budget: an episode terminates after this many steps.
        model: "embedded", a folder, or a hub name such as "gpt2".
        device: "auto" (the environment variable LM_ENVS_DEVICE if set, else CUDA where available),
            "cpu", "cuda", "cuda:1", …
        dtype: "auto", "float32", "bfloat16" or "int8".
        deterministic: As in `LanguageVectorEnv`.
        chat_template: Put each prompt into the model's chat template, as in `LanguageVectorEnv`;
            the reference is then the assistant's message.
        system_prompt: Text of the system's message in it; None for none.
        user_prompt: Text of the user's message, with `{prompt}` in place of the prompt; None for
            the prompt alone.
        gamma: Discount of the agent; a step before the end pays gamma times the new potential less
            the old one (see `LanguageVectorEnv`).
        group_size: G, a divisor of N: the n-th episodes of rows 0 to G - 1 have one group of
            passages, those of rows G to 2 G - 1 another, and so on; 1 draws for each row alone.
        max_steps: Truncate after this many steps; None for no limit.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset` and `split`, but no rewards.

    Attributes:
        tuner: Implements the adjustments.
        budget: The argument `adjustments`.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """

    def __init__(
        self,
        num_envs: int,
        make_tuner: Callable[[LanguageModel, Path], Tuner],
        *,
        task: TaskSpec,
        passages: int,
        adjustments: int,
        model: str = loading.EMBEDDED,
        device: str = "auto",
        dtype: str = "auto",
        deterministic: bool = False,
        chat_template: bool = False,
        system_prompt: str | None = None,
        user_prompt: str | None = None,
        gamma: float = 1.0,
        group_size: int = 1,
        max_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        check_count("adjustments", adjustments)
        self.gamma, self._max_steps = check_discount(gamma), check_limit("max_steps", max_steps)
        generators = new_generators(num_envs)  # before rows are allocated: it refuses too many
        self._draws = PromptGroups(*generators, group_size)
        chat = (chat_template, system_prompt, user_prompt)
        computing = (device, dtype, deterministic)
        network, make_groups = build(task, passages, task_options, chat, model, *computing)
        tuner = self.tuner = make_tuner(network, loading.locate(model))
        self._groups = make_groups(shared=tuner.shares_passages, least_tokens=tuner.least_tokens)
        self._allocate(num_envs, adjustments)
        super().__init__(
            *generators,
            column_box({**tuner.columns, "budget_left": (np.zeros(1), np.ones(1))}),
            tuner.space,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _allocate(self, num_rows: int, budget: int) -> None:
        """Makes the record of each row's episode, empty."""
        self._rows, self.budget = range(num_rows), budget
        self._actions: list[list[np.ndarray]] = [[] for _ in self._rows]
        self._descriptions: list[list[str]] = [[] for _ in self._rows]
        self._rewards: list[list[float]] = [[] for _ in self._rows]
        self._potentials = np.zeros(num_rows)
        self._endings: list[Ending | None] = [None] * num_rows

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns the tuner's open-loop plans that the budget allows, and its other baselines."""
        plans = {
            name: partial(self.planned_actions, plan)
            for name, plan in self.tuner.plans.items()
            if len(plan) - 1 <= self.budget
        }
        return plans | dict(self.tuner.rule_policies())

    def planned_actions(self, plan: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the actions (N, ...) of an open-loop plan; the last one repeats."""
        return np.stack([plan[min(step, len(plan) - 1)] for step in self.steps.tolist()])

    def passages(self, index: int) -> Passages:
        """Returns the group of passages of a number, 0 <= index < `num_examples`."""
        return self._groups.group(index)

    @property
    def num_examples(self) -> int:
        """Number of groups of passages."""
        return self._groups.num_groups

    @property
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""
        return np.array([len(actions) for actions in self._actions])

    def action_masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (N, actions) bool, for sb3-contrib."""
        return self.tuner.masks()

    def _selected_examples(self, options: dict[str, Any]) -> tuple[list[int], Sequence[int | None]]:
        return selected_indices(options, self.num_envs, self.num_examples)

    def _seed_rows(self, rows: Sequence[int], seeds: np.ndarray) -> None:
        super()._seed_rows(rows, seeds)
        self._draws.seed(rows, seeds)

    def _begin_rows(self, rows: list[int], examples: Sequence[int | None]) -> None:
        groups = []
        for row, selected in zip(rows, examples, strict=True):
            index = self._draws.draw(row, self.num_examples) if selected is None else selected
            groups.append(self._groups.group(index))
            self._actions[row], self._descriptions[row], self._rewards[row] = [], [], []
            self._endings[row] = None
        self.tuner.begin(rows, groups)
        self._potentials[rows] = self.tuner.scores()["reward"][rows]

    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        return self.tuner.check(actions, active)

    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Adjusts the models of `rows`."""
        descriptions = self.tuner.adjust(rows, actions[rows])
        potentials = self.tuner.scores()["reward"][rows]
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        for row, description in zip(rows.tolist(), descriptions, strict=True):
            self._actions[row].append(actions[row].copy())
            self._descriptions[row].append(description)
            ending = self._endings[row] = self._ending(row)
            truncated[row] = ending in TRUNCATIONS
            terminated[row] = ending is not None and not truncated[row]
        before = self._potentials[rows]
        rewards[rows] = shaped_rewards(before, potentials, terminated[rows], self.gamma)
        self._potentials[rows] = potentials
        for row in rows.tolist():
            self._rewards[row].append(float(rewards[row]))
        return rewards, terminated, truncated

    def _ending(self, row: int) -> Ending | None:
        steps = len(self._actions[row])
        if self.tuner.stopped[row]:
            return "complete"
        if steps >= self.budget:
            return "budget"
        return "time_limit" if steps >= self._max_steps else None

    def _step_values(self) -> dict[str, np.ndarray]:
        """`text`, a description of all adjustments, and `loss`, nats a token."""
        texts = ["".join(parts) for parts in self._descriptions]
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

    def transcript(self, row: int) -> Transcript:
        """Returns the episode of one row so far; its text describes the adjustments."""
        descriptions = tuple(self._descriptions[row])
        return Transcript(
            prompt=self._prompt(row),
            text="".join(descriptions),
            reference="",
            prompt_tokens=NOTHING,
            tokens=NOTHING,
            logprobs=np.zeros(0),
            rewards=np.array(self._rewards[row]),
            token_texts=descriptions,
            ending=self._endings[row],
            scores=self._scores(row) if self._endings[row] else {},
        )

    def observe(self) -> np.ndarray:
        """Returns the current observations of N rows, in a new array."""
        left = 1.0 - self.steps[:, None] / self.budget
        low, high = self.single_observation_space.low, self.single_observation_space.high  # type: ignore[attr-defined]  # a Box
        return np.concatenate([self.tuner.observe(), left], 1).clip(low, high).astype(np.float32)

    def _get_episodes(self) -> dict[str, Any]:
        passages = map(self.tuner.passages_of, self._rows)
        rows = [
            {"title": own.title, "index": own.index, "actions": [a.tolist() for a in actions]}
            for own, actions in zip(passages, self._actions, strict=True)
        ]
        return {"rows": rows} | self._draws.get_state()

    def _checked_episodes(self, episodes: Any, over: np.ndarray) -> Any:  # noqa: ANN401
        if isinstance(episodes, list):  # as states were before rows could have groups
            episodes = {"rows": episodes}
        parts, generators = self._draws.split_state(episodes)
        check_parts("of tuned rows", parts, ("rows",))
        rows = parts["rows"]
        if not (isinstance(rows, list) and len(rows) == self.num_envs):
            raise ValueError(f"Got a state that is not of {self.num_envs} tuned rows.")
        for row, each in enumerate(rows):
            if not self._fits(each, bool(over[row])):
                raise ValueError(
                    f"Got a state whose row {row} is of an environment with other arguments; make "
                    "this one as that one was made."
                )
        return rows, generators

    def _fits(self, episode: Any, is_over: bool) -> bool:  # noqa: ANN401 - a caller's value
        """Returns whether an episode of `_get_episodes` is possible here."""
        check_parts("of tuned rows", episode, ("title", "index", "actions"))
        index, actions = episode["index"], episode["actions"]
        return (
            is_whole(index)
            and 0 <= index < self.num_examples
            and self._groups.group(index).title == episode["title"]
            and isinstance(actions, (list, tuple))
            and len(actions) < self.budget + is_over
            and all(is_in_space(self.single_action_space, action) for action in actions)
        )

    def _set_episodes(
        self, episodes: tuple[list[dict[str, Any]], list[np.random.Generator]]
    ) -> None:
        """Starts each row again and repeats its adjustments."""
        own, generators = episodes
        self._draws.set_state(generators)
        self._begin_rows(list(self._rows), [each["index"] for each in own])
        nothing = np.zeros_like(self.action_space.sample())
        for step in range(max(len(each["actions"]) for each in own)):
            rows = np.flatnonzero([len(each["actions"]) > step for each in own])
            actions = nothing.copy()
            for row in rows.tolist():
                actions[row] = own[row]["actions"][step]
            self._act(rows, actions)
