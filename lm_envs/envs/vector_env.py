"""N episodes of one language task over one engine.

Owns the order of a step: act, write, judge, end. What is written lives in `EpisodeBuffer`, the model in
`Engine`, the judgment in the task; who begins again, and when, in `EpisodicVectorEnv`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs.envs.base import EpisodicVectorEnv, Observations, check_modes
from lm_envs.envs.factory import build
from lm_envs.envs.reset_options import rows_and_pins
from lm_envs.envs.reward_tracker import RewardTracker
from lm_envs.model.engine import Outputs
from lm_envs.model.loading import EMBEDDED
from lm_envs.tasks.base import Example, draw
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript
from lm_envs.validation import check_choice, check_count

ENDINGS: tuple[Ending, ...] = ("end_token", "budget", "complete", "context", "time_limit")
"""Reasons for an episode to be over; where several hold, the first counts."""

REMEMBERED = 2**14
"""Examples, and tokens of what tasks answer, that are kept: both come again and again."""


class LanguageVectorEnv(EpisodicVectorEnv):
    """N rows of one language task, written together by one GPT-2.

    The single environment is row 0 of a one-row `LanguageVectorEnv`; see `NextWordEnv` for the
    observation, action, reward and info of an episode. Row i draws from its own generator, seeded
    seed + i, and replays the single environment seeded seed + i.

    Args:
        num_envs: N.
        task: Name in `lm_envs.tasks.TASKS`.
        model: "embedded", a folder, or a hub name such as "gpt2".
        device: "auto", "cpu", "cuda", …
        dtype: "auto" (bfloat16 on CUDA, float32 on CPU), "float32", "bfloat16", or "int8" (faster
            on CPUs with VNNI instructions, rounded more; see `lm_envs.model.loading.load`).
        cache_dtype: What keys and values are kept in: "auto" (as the arithmetic), or "int8" (codes
            of 8 bits, about half of bfloat16's bytes: faster where attention waits for them, on
            CPUs; see `lm_envs.model.engine.Engine`).
        actions: "top_k", "vocabulary", "embedding" (`lm_envs.envs.actions.tokens`); "choices", one of the
            lines that the task offers; "read_write" (`lm_envs.envs.actions.read_write`); or with options,
            such as {"kind": "top_k", "k": 8, "copies": 8} to offer words of the prompt beside the
            model's best, or {"kind": "choices", "scores": False} to show no scores of the lines,
            which is faster.
        observation: "hidden", "embeddings", "candidates" or "tokens"
            (`lm_envs.envs.observations.build`); or with options, such as {"kind": "embeddings", "last":
            4}, or {"kind": "hidden", "reducer": "states.safetensors"} as `agents.fit_reducer`
            writes it.
        dense: Pay each step how far it raised the value of the text; otherwise pay the whole value
            when the episode ends. The sum over an episode is the same.
        max_steps: Truncate after this many steps; None leaves it to the task. Gymnasium's own
            `max_episode_steps` cuts from outside instead: nothing is reported or paid for that.
        prompt_cache: MiB to remember prompts in, their keys and values and, where words are copied,
            hidden states: prompts are not read again when they recur. Taken as they come, shared by
            the environments over one model. 0 for none.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset`, `split` and `rewards`.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str,
        model: str = EMBEDDED,
        device: str = "auto",
        dtype: str = "auto",
        cache_dtype: str = "auto",
        actions: str | Mapping[str, Any] = "top_k",
        observation: str | Mapping[str, Any] = "hidden",
        dense: bool = True,
        max_steps: int | None = None,
        prompt_cache: int = 1024,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        check_choice("dense", dense, (True, False))
        if max_steps is not None:
            check_count("max_steps", max_steps)
        parts = build(
            num_envs,
            task,
            task_options,
            model=model,
            device=device,
            dtype=dtype,
            actions=actions,
            observation=observation,
            prompt_cache=prompt_cache,
            cache_dtype=cache_dtype,
        )
        self.tokenizer, self.task, self.engine = parts.tokenizer, parts.task, parts.engine
        self._episodes, self.writer = parts.episodes, parts.writer
        self._observation = parts.observation
        self._dense = dense
        self._max_steps = np.inf if max_steps is None else max_steps
        self._example = lru_cache(REMEMBERED)(self.task.example)
        self._encode = lru_cache(REMEMBERED)(self.tokenizer.encode)
        self._judge = RewardTracker(self.task, self.engine, self.tokenizer, self._episodes)
        super().__init__(
            num_envs,
            self._observation.space,
            self.writer.space,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    @property
    def outputs(self) -> Outputs:
        """What the model says next in each row: candidates, their log-probabilities, hidden."""
        return self.writer.outputs

    @property
    def num_examples(self) -> int:
        """How many examples the task has."""
        return self.task.num_examples

    @property
    def transcripts(self) -> list[Transcript]:
        """Each row's episode so far."""
        return [self._transcript(row) for row in range(self.num_envs)]

    @property
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""
        return self._episodes.steps.copy()

    @property
    def candidate_logprobs(self) -> np.ndarray:
        """Log-probabilities (N, K) of what the model itself would do next, best first, nats.

        -inf for what `action_masks` forbids.
        """
        return self.writer.candidate_logprobs()

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Actions of N rows that do what stands in these places (N,) of the candidate_logprobs."""
        return self.writer.actions_for_ranks(ranks)

    def oracle_actions(self) -> np.ndarray:
        """Actions of N rows that a perfect agent would take, as far as they can be taken.

        The line that the task knows to be right, or the reference's next word where the model
        proposes it; else what the model proposes first.
        """
        return self.writer.oracle_actions()

    def action_masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool; as sb3-contrib asks for."""
        return self.writer.masks()

    def _selected_examples(
        self, options: dict[str, Any]
    ) -> tuple[list[int], Sequence[Example | None]]:
        longest = self.engine.capacity - self.writer.reserved_tokens
        return rows_and_pins(options, self.num_envs, self.task, longest)

    def _begin_rows(self, rows: list[int], examples: Sequence[Example | None]) -> None:
        for row, pinned in zip(rows, examples, strict=True):
            self._episodes.begin(row, pinned or self._draw(row))
        self.writer.read(np.array(rows))
        self.writer.update_choices(np.array(rows))

    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        return self.writer.check(actions, active)

    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Writes one word, or one line, in each of `rows`."""
        is_complete = self._respond(rows, self.writer.write(rows, actions))
        terminated, truncated = self._end(rows, is_complete)
        return self._pay(rows, terminated | truncated), terminated, truncated

    def _respond(self, rows: np.ndarray, has_line: np.ndarray) -> np.ndarray:
        """Lets the task answer those of `rows` (R,) that completed a line; which are over, (R,)."""
        is_complete = np.zeros(len(rows), bool)
        episodes, to_read = self._episodes, []
        for place in np.flatnonzero(has_line):
            row = int(rows[place])
            episodes.end_turn(row)
            response = self.task.respond(episodes.examples[row], episodes.turns[row])
            episodes.set_task_scores(row, response.task_scores)
            is_last = len(episodes.turns[row]) >= self.task.max_turns
            is_complete[place] = response.is_over or is_last
            if not is_complete[place]:
                context = self._encode(response.context)
                episodes.set_context(row, context[-self._room(row) :])
                to_read.append(row)
        if to_read:
            self.writer.read(np.array(to_read))
        self.writer.update_choices(rows[has_line])
        return is_complete

    def _room(self, row: int) -> int:
        """Tokens of a context that leave free what a row may still write."""
        left = self.task.max_new_tokens - int(self._episodes.counts[row])
        return self.engine.capacity - left

    def _end(self, rows: np.ndarray, is_complete: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rows terminated and which were truncated by this step, (N,) bool each."""
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        episodes, counts = self._episodes, self._episodes.counts[rows]
        reasons = (
            (counts > 0) & (episodes.tokens[rows, counts - 1] == self.tokenizer.end_token),
            counts >= self.task.max_new_tokens,
            is_complete,
            episodes.context_lengths[rows] >= self.engine.capacity,
            episodes.steps[rows] >= self._max_steps,
        )
        is_so = np.array(reasons, bool).reshape(len(ENDINGS), len(rows))
        for place in np.flatnonzero(is_so.any(0)):
            ending = ENDINGS[is_so[:, place].argmax()]
            row = rows[place]
            episodes.endings[row] = ending
            truncated[row] = ending in TRUNCATIONS
            terminated[row] = ending not in TRUNCATIONS
        return terminated, truncated

    def _pay(self, rows: np.ndarray, is_over: np.ndarray) -> np.ndarray:
        """Rewards (N,) of `rows`: of every step where they are dense, of the last otherwise."""
        judged = rows if self._dense else rows[is_over[rows]]
        return self._episodes.shaped_rewards(judged, self._judge.values(judged, is_over))

    def _step_values(self) -> dict[str, np.ndarray]:
        """`text` written so far, and `logprob`, the model's of what was written last, nats."""
        episodes = self._episodes
        return {"text": np.array(episodes.texts, object), "logprob": episodes.step_logprobs}

    def _final_info(self, row: int) -> dict[str, Any]:
        episodes = self._episodes
        scores = {name: float(values[row]) for name, values in self._judge.scores.items()}
        scores["reward"] = float(episodes.potentials[row])
        return {
            "prompt": episodes.prompt(row),
            "reference": episodes.reference(row),
            "ending": episodes.endings[row],
            "scores": scores,
        }

    def _transcript(self, row: int) -> Transcript:
        is_over = self._episodes.endings[row] is not None
        return self._episodes.transcript(row, self._final_info(row)["scores"] if is_over else {})

    def _prompt(self, row: int) -> str:
        return self._episodes.prompt(row)

    def _draw(self, row: int) -> Example:
        return self._example(draw(self.task, self._rngs[row]))

    def _observe(self) -> Observations:
        return self._observation.encode(self.outputs, self._episodes)

    def _get_episodes(self) -> dict[str, Any]:
        return self._episodes.get_state()

    def _check_episodes(self, episodes: Any) -> None:  # noqa: ANN401 - a caller's
        self._episodes.check_state(episodes)

    def _set_episodes(self, episodes: dict[str, Any]) -> None:
        """Keys and values are rebuilt as they were built."""
        self._episodes.set_state(episodes)
        self.writer.restore()
        self.writer.update_choices(np.arange(self.num_envs))
        self._judge.values(np.arange(self.num_envs), self._over)
