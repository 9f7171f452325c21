"""N episodes of one task over one engine; the only dynamics in this library.

Owns the order of a step: act, write, judge, end, begin again. What is written lives in `Episodes`,
the model in `Engine`, the judgement in the task.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lm_envs import rendering
from lm_envs.checks import check_choice, check_count
from lm_envs.envs.judge import Judge
from lm_envs.envs.options import rows_and_pins, seeds_of_rows
from lm_envs.envs.parts import assemble
from lm_envs.envs.parts import autoreset_mode as autoreset_mode_of
from lm_envs.model.engine import Outputs
from lm_envs.model.weights import EMBEDDED
from lm_envs.tasks.task import Example, draw
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript

RENDER_MODES = ("ansi", "rgb_array")
ENDINGS: tuple[Ending, ...] = ("end_token", "budget", "complete", "context", "time_limit")
"""Reasons for an episode to be over; where several hold, the first counts."""

REMEMBERED = 2**14
"""Examples, and tokens of what tasks answer, that are kept: both come again and again."""

Observations = np.ndarray | dict[str, np.ndarray]
"""Of N rows: one array (N, ...), or several by name."""


class LanguageVectorEnv(VectorEnv):
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
            on CPUs with VNNI instructions, rounded more; see `lm_envs.model.weights.load`).
        actions: "top_k", "vocabulary", "embedding" (`lm_envs.envs.actions`); "choices", one of the
            lines that the task offers; "read_write" (`lm_envs.envs.interpreter`); or with options,
            such as {"kind": "top_k", "k": 16}, or {"kind": "choices", "scores": False} to show no
            scores of the lines, which is faster.
        observation: "hidden", "embeddings", "candidates" or "tokens"
            (`lm_envs.envs.observations`); or with options, such as {"kind": "embeddings", "last":
            4}, or {"kind": "hidden", "reducer": "states.safetensors"} as `agents.fit_reducer`
            writes it.
        dense: Pay each step how far it raised the value of the text; otherwise pay the whole value
            when the episode ends. The sum over an episode is the same.
        max_steps: Truncate after this many steps; None leaves it to the task. Gymnasium's own
            `max_episode_steps` cuts from outside instead: nothing is reported or paid for that.
        prompt_cache: MiB of keys and values of prompts to remember, which are not read again when
            they recur; taken as they come, shared by the environments over one model. 0 for none.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset`, `split` and `rewards`.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """

    metadata = {  # noqa: RUF012 - Gymnasium's name and type; instances hold their own copy
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str,
        model: str = EMBEDDED,
        device: str = "auto",
        dtype: str = "auto",
        actions: str | Mapping[str, Any] = "top_k",
        observation: str | Mapping[str, Any] = "hidden",
        dense: bool = True,
        max_steps: int | None = None,
        prompt_cache: int = 256,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_choice("render_mode", render_mode, (None, *RENDER_MODES))
        check_choice("dense", dense, (True, False))
        if max_steps is not None:
            check_count("max_steps", max_steps)
        self.autoreset_mode = autoreset_mode_of(autoreset_mode)
        parts = assemble(
            num_envs,
            task,
            task_options,
            model=model,
            device=device,
            dtype=dtype,
            actions=actions,
            observation=observation,
            prompt_cache=prompt_cache,
        )
        self.tokenizer, self.task, self.engine = parts.tokenizer, parts.task, parts.engine
        self._episodes, self.writer = parts.episodes, parts.writer
        self._observation = parts.observation
        self._dense = dense
        self._max_steps = np.inf if max_steps is None else max_steps
        self._example = lru_cache(REMEMBERED)(self.task.example)
        self._encode = lru_cache(REMEMBERED)(self.tokenizer.encode)
        self._judge = Judge(self.task, self.engine, self.tokenizer, self._episodes)
        self._over = np.ones(num_envs, bool)  # (N,) True until a row's first reset
        self._has_begun = False
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.single_observation_space = self._observation.space
        self.single_action_space = self.writer.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def outputs(self) -> Outputs:
        """What the model says next in each row: candidates, their log-probabilities, hidden."""
        return self.engine.outputs

    @property
    def transcripts(self) -> list[Transcript]:
        """Each row's episode so far."""
        return [self._transcript(row) for row in range(self.num_envs)]

    @property
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""
        return self._episodes.steps.copy()

    @property
    def proposals(self) -> np.ndarray:
        """Log-probabilities (N, K) of what the model itself would do next, best first, nats.

        -inf for what `action_masks` forbids.
        """
        return self.writer.proposals()

    def of_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Actions of N rows that do what stands in these places (N,) of the proposals."""
        return self.writer.of_ranks(ranks)

    def solutions(self) -> np.ndarray:
        """Actions of N rows that a perfect agent would take, as far as they can be taken.

        The line that the task knows to be right, or the reference's next word where the model
        proposes it; else what the model proposes first.
        """
        return self.writer.solutions()

    def action_masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (N, actions) bool; as sb3-contrib asks for."""
        return self.writer.masks()

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Begins a new episode in every row, or in the rows of `options["reset_mask"]`.

        Args:
            seed: Row i draws its examples from seed + i; a list seeds rows one by one. Rows that
                do not begin keep their generators.
            options: `reset_mask` (N,) bool; and to pin examples `index` (a number, or (N,)
                numbers) or `prompt` (a text, or N texts).

        Raises:
            gymnasium.error.ResetNeeded: If the first reset leaves out rows.
            ValueError: If a seed or an option is not allowed; nothing has changed then.
        """
        rows, examples = rows_and_pins(
            options or {}, self.num_envs, self.task, self.engine.capacity - self.writer.room
        )
        if not self._has_begun and len(rows) < self.num_envs:
            raise gym.error.ResetNeeded(
                f"Got a reset_mask of rows {rows} before the first reset(); call reset() without "
                "one first."
            )
        for row, own in zip(rows, seeds_of_rows(seed, self.num_envs)[rows], strict=True):
            if own is not None:
                self._rngs[row] = np.random.default_rng(own)
        self._begin(rows, examples)
        self._has_begun = True
        return self._observe(), self._add_prompts({}, rows)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Writes one word, or one line, in every running row.

        Raises:
            gymnasium.error.ResetNeeded: If a row is over and nobody is to reset it.
            ValueError: If an action is not in the action space; nothing has changed then.
        """
        self._require_begun()
        active = ~self._over
        actions = self.writer.check(actions, active)
        rows = np.flatnonzero(active)
        is_complete = self._respond(rows, self.writer.write(rows, actions))
        terminated, truncated = self._end(rows, is_complete)
        rewards = self._pay(rows, terminated | truncated)
        infos = self._infos(rows)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._begin_drawn(np.flatnonzero(~active).tolist(), infos)
        self._over = terminated | truncated
        if self._over.any():
            self._finish(infos)
        return self._observe(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """One frame a row: ANSI text or (H, W, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        draw = rendering.ansi if self.render_mode == "ansi" else rendering.rgb
        return tuple(draw(transcript) for transcript in self.transcripts)

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs to go on from here: plain arrays, lists and dicts."""
        generators = [rng.bit_generator.state for rng in self._rngs]
        return {
            "episodes": self._episodes.get_state(),
            "over": self._over.copy(),
            "generators": generators,
        }

    def set_state(self, state: dict[str, Any]) -> Observations:
        """Returns to a state of `get_state`; the observations there (N, ...).

        Keys and values are rebuilt as they were built: what follows is the same bit for bit.

        Raises:
            ValueError: If the state is of an environment with other rows or arguments; nothing has
                changed then.
        """
        self._episodes.check_state(state["episodes"])
        self._episodes.set_state(state["episodes"])
        self._over = np.array(state["over"], bool)
        for rng, generator in zip(self._rngs, state["generators"], strict=True):
            rng.bit_generator.state = generator
        self.writer.restore()
        self.writer.offer(np.arange(self.num_envs))
        self._has_begun = True
        self._judge.values(np.arange(self.num_envs), self._over)
        return self._observe()

    def _require_begun(self) -> None:
        if not self._has_begun:
            raise gym.error.ResetNeeded("Got step() before the first reset(); call reset() first.")
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP and self._over.any():
            over = np.flatnonzero(self._over).tolist()
            raise gym.error.ResetNeeded(
                f"Got step() while the episodes of rows {over} are over; call "
                "reset(options={'reset_mask': mask}) with these rows True."
            )

    def _respond(self, rows: np.ndarray, has_line: np.ndarray) -> np.ndarray:
        """Lets the task answer those of `rows` (R,) that completed a line; which are over, (R,)."""
        is_complete = np.zeros(len(rows), bool)
        episodes, to_read = self._episodes, []
        for place in np.flatnonzero(has_line):
            row = int(rows[place])
            episodes.end_turn(row)
            response = self.task.respond(episodes.examples[row], episodes.turns[row])
            episodes.mark(row, response.marks)
            is_last = len(episodes.turns[row]) >= self.task.max_turns
            is_complete[place] = response.is_over or is_last
            if not is_complete[place]:
                context = self._encode(response.context)
                episodes.fill(row, context[-self._room(row) :])
                to_read.append(row)
        if to_read:
            self.writer.read(np.array(to_read))
        self.writer.offer(rows[has_line])
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
        return self._episodes.pay(judged, self._judge.values(judged, is_over))

    def _infos(self, rows: np.ndarray) -> dict[str, Any]:
        episodes = self._episodes
        is_written = np.isin(np.arange(self.num_envs), rows)
        logprobs = np.where(is_written, episodes.step_logprobs, 0.0)
        texts = np.array(episodes.texts, object)
        infos: dict[str, Any] = {"text": texts, "_text": is_written}
        return infos | {"logprob": logprobs, "_logprob": is_written.copy()}

    def _finish(self, infos: dict[str, Any]) -> None:
        """Reports the rows that are over, and begins them again where the mode says so."""
        rows: list[int] = np.flatnonzero(self._over).tolist()
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            for row in rows:
                self._add_info(infos, self._final_info(row), row)
            return
        final = np.full(self.num_envs, None, object)
        observations = self._observe()
        for row in rows:
            final[row] = row_of(observations, row)
            step_info = {"text": infos["text"][row], "logprob": float(infos["logprob"][row])}
            self._add_info(infos, {"final_info": step_info | self._final_info(row)}, row)
        infos["final_obs"], infos["_final_obs"] = final, self._over.copy()
        infos["_text"][rows] = infos["_logprob"][rows] = False
        self._begin_drawn(rows, infos)

    def _final_info(self, row: int) -> dict[str, Any]:
        episodes = self._episodes
        scores = {name: float(values[row]) for name, values in self._judge.scores.items()}
        scores["reward"] = float(episodes.values[row])
        return {
            "prompt": episodes.prompt(row),
            "reference": episodes.reference(row),
            "ending": episodes.endings[row],
            "scores": scores,
        }

    def _transcript(self, row: int) -> Transcript:
        is_over = self._episodes.endings[row] is not None
        return self._episodes.transcript(row, self._final_info(row)["scores"] if is_over else {})

    def _begin_drawn(self, rows: list[int], infos: dict[str, Any]) -> None:
        self._begin(rows, [None] * len(rows))
        self._add_prompts(infos, rows)

    def _add_prompts(self, infos: dict[str, Any], rows: list[int]) -> dict[str, Any]:
        """Infos with what the episodes of `rows`, which begin now, start from."""
        for row in rows:
            infos = self._add_info(infos, {"prompt": self._episodes.prompt(row)}, row)
        return infos

    def _begin(self, rows: list[int], examples: Sequence[Example | None]) -> None:
        """Starts rows from the given examples; where there is None, the row draws one."""
        for row, pinned in zip(rows, examples, strict=True):
            self._episodes.begin(row, pinned or self._draw(row))
        if rows:
            self.writer.read(np.array(rows))
            self.writer.offer(np.array(rows))
            self._over[rows] = False

    def _draw(self, row: int) -> Example:
        return self._example(draw(self.task, self._rngs[row]))

    def _observe(self) -> Observations:
        return self._observation.encode(self.outputs, self._episodes)


def row_of(observations: Observations, row: int) -> Any:  # noqa: ANN401 - an array, or several
    """One row's observation."""
    if isinstance(observations, dict):
        return {name: values[row] for name, values in observations.items()}
    return observations[row]
