"""N episodes of one task over one engine; the only dynamics in this library.

Owns the order of a step: act, write, judge, end, begin again. What is written lives in `Episodes`,
the model in `Engine`, the judgement in the task.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lm_envs import rendering
from lm_envs.checks import check_choice, check_count
from lm_envs.envs.options import rows_and_pins
from lm_envs.envs.parts import assemble
from lm_envs.envs.parts import autoreset_mode as autoreset_mode_of
from lm_envs.model.engine import Outputs
from lm_envs.model.weights import EMBEDDED
from lm_envs.tasks.task import Example
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript

RENDER_MODES = ("ansi", "rgb_array")
ENDINGS: tuple[Ending, ...] = ("end_token", "complete", "budget", "context", "time_limit")
"""Reasons for an episode to be over; where several hold, the first counts."""

REWARD_DECIMALS = 4
"""Log-probabilities are rounded to this many decimals before they are judged or reported."""


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
        dtype: "auto" (bfloat16 on CUDA, float32 on CPU), "float32" or "bfloat16".
        actions: "top_k", or {"kind": "top_k", "k": 16}.
        observation: "hidden".
        dense: Pay each step how far it raised the value of the text; otherwise pay the whole value
            when the episode ends. The sum over an episode is the same.
        max_episode_steps: Truncate after this many steps; None leaves it to the task.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset`, `split` and `rewards`.

    Raises:
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
        observation: str = "hidden",
        dense: bool = True,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_choice("render_mode", render_mode, (None, *RENDER_MODES))
        check_choice("dense", dense, (True, False))
        if max_episode_steps is not None:
            check_count("max_episode_steps", max_episode_steps)
        self._mode = autoreset_mode_of(autoreset_mode)
        parts = assemble(
            num_envs,
            task,
            task_options,
            model=model,
            device=device,
            dtype=dtype,
            actions=actions,
            observation=observation,
        )
        self.tokenizer, self.task, self.engine = parts.tokenizer, parts.task, parts.engine
        self._episodes, self._actions = parts.episodes, parts.actions
        self._observation = parts.observation
        self._dense = dense
        self._max_steps = np.inf if max_episode_steps is None else max_episode_steps
        self._scores: dict[str, np.ndarray] = {}  # of the last step, (N,) each
        self._over = np.ones(num_envs, bool)  # (N,) True until a row's first reset
        self._has_begun = False
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.single_observation_space = self._observation.space
        self.single_action_space = self._actions.space
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

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins a new episode in every row, or in the rows of `options["reset_mask"]`.

        Args:
            seed: Row i draws its examples from seed + i; a list seeds rows one by one.
            options: `reset_mask` (N,) bool; and to pin examples `index` (a number, or (N,)
                numbers) or `prompt` (a text, or N texts).
        """
        rows, examples = rows_and_pins(
            options or {}, self.num_envs, self.task, self.engine.capacity
        )
        self._seed(seed)
        self._begin(rows, examples)
        self._has_begun = True
        infos: dict[str, Any] = {}
        for row in rows:
            prompt = self.tokenizer.decode(self._episodes.prompts[row])
            infos = self._add_info(infos, {"prompt": prompt}, row)
        return self._observe(), infos

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Writes one word in every running row.

        Raises:
            gymnasium.error.ResetNeeded: If a row is over and nobody is to reset it.
            ValueError: If an action is not in the action space; nothing has changed then.
        """
        self._require_begun()
        active = ~self._over
        actions = self._actions.check(actions, active)
        rows = np.flatnonzero(active)
        self._write(rows, actions)
        self._judge(rows)
        terminated, truncated = self._end(rows)
        rewards = self._pay(rows, terminated | truncated)
        infos = self._infos(rows)
        if self._mode is AutoresetMode.NEXT_STEP:
            self._begin_drawn(np.flatnonzero(~active).tolist())
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

    def set_state(self, state: dict[str, Any]) -> np.ndarray:
        """Returns to a state of `get_state`; the observations there (N, ...).

        Keys and values are rebuilt as they were built, one token at a time, so that what follows is
        the same bit for bit.
        """
        self._episodes.set_state(state["episodes"])
        self._over = np.array(state["over"], bool)
        for rng, generator in zip(self._rngs, state["generators"], strict=True):
            rng.bit_generator.state = generator
        episodes = self._episodes
        self.engine.prefill(np.arange(self.num_envs), episodes.prompts)
        for column in range(int(episodes.counts.max())):
            self.engine.append(episodes.tokens[:, column], episodes.counts > column)
        self._has_begun = True
        self._scores = self.task.reward.components(episodes.drafts)
        return self._observe()

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        if seed is None:
            return
        if isinstance(seed, (int, np.integer)):
            seed = [int(seed) + row for row in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"Got {len(seed)} seeds; allowed: one, or {self.num_envs}.")
        for row, own in enumerate(seed):
            if own is not None:
                self._rngs[row] = np.random.default_rng(own)

    def _require_begun(self) -> None:
        if not self._has_begun:
            raise gym.error.ResetNeeded("Got step() before the first reset(); call reset() first.")
        if self._mode is not AutoresetMode.NEXT_STEP and self._over.any():
            over = np.flatnonzero(self._over).tolist()
            raise gym.error.ResetNeeded(
                f"Got step() while the episodes of rows {over} are over; call "
                "reset(options={'reset_mask': mask}) with these rows True."
            )

    def _write(self, rows: np.ndarray, actions: np.ndarray) -> None:
        tokens = self._actions.to_tokens(actions, self.outputs)  # (N,)
        active = None if len(rows) == self.num_envs else ~self._over
        outputs = self.engine.append(tokens, active)
        if not np.isfinite(outputs.logprobs).all():
            row = int((~np.isfinite(outputs.logprobs)).any(1).argmax())
            raise FloatingPointError(
                f"Got NaN or infinite log-probabilities in row {row}; the model's weights or its "
                "dtype are broken. Use dtype='float32' or another checkpoint."
            )
        logprobs = outputs.chosen.astype(np.float64).round(REWARD_DECIMALS)
        self._episodes.write(rows, tokens, logprobs)

    def _judge(self, rows: np.ndarray) -> None:
        if len(rows):
            self._scores = self.task.reward.components(self._episodes.drafts)

    def _end(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rows terminated and which were truncated by this step, (N,) bool each."""
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        episodes, counts = self._episodes, self._episodes.counts[rows]
        reasons = (
            episodes.tokens[rows, counts - 1] == self.tokenizer.end_token,
            [self.task.is_over(episodes.texts[row]) for row in rows],
            counts >= self.task.max_new_tokens,
            self.engine.lengths[rows] >= self.engine.capacity,
            counts >= self._max_steps,
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
        values = self.task.reward.total(self._scores)
        if not self._dense:
            values = np.where(is_over, values, 0.0)
        return self._episodes.pay(rows, values)

    def _infos(self, rows: np.ndarray) -> dict[str, Any]:
        episodes = self._episodes
        is_written = np.isin(np.arange(self.num_envs), rows)
        last = np.maximum(episodes.counts - 1, 0)
        logprobs = np.where(is_written, episodes.logprobs[np.arange(self.num_envs), last], 0.0)
        texts = np.array(episodes.texts, object)
        infos: dict[str, Any] = {"text": texts, "_text": is_written}
        return infos | {"logprob": logprobs, "_logprob": is_written.copy()}

    def _finish(self, infos: dict[str, Any]) -> None:
        """Reports the rows that are over, and begins them again where the mode says so."""
        rows: list[int] = np.flatnonzero(self._over).tolist()
        if self._mode is not AutoresetMode.SAME_STEP:
            for row in rows:
                self._add_info(infos, self._final_info(row), row)
            return
        final = np.full(self.num_envs, None, object)
        observations = self._observe()
        for row in rows:
            final[row] = observations[row]
            step_info = {"text": infos["text"][row], "logprob": float(infos["logprob"][row])}
            self._add_info(infos, {"final_info": step_info | self._final_info(row)}, row)
        infos["final_obs"], infos["_final_obs"] = final, self._over.copy()
        self._begin_drawn(rows)

    def _final_info(self, row: int) -> dict[str, Any]:
        episodes = self._episodes
        scores = {name: float(values[row]) for name, values in self._scores.items()}
        scores["reward"] = float(episodes.values[row])
        return {
            "prompt": self.tokenizer.decode(episodes.prompts[row]),
            "reference": episodes.reference(row),
            "ending": episodes.endings[row],
            "scores": scores,
        }

    def _transcript(self, row: int) -> Transcript:
        is_over = self._episodes.endings[row] is not None
        return self._episodes.transcript(row, self._final_info(row)["scores"] if is_over else {})

    def _begin_drawn(self, rows: list[int]) -> None:
        self._begin(rows, [None] * len(rows))

    def _begin(self, rows: list[int], examples: Sequence[Example | None]) -> None:
        """Starts rows from the given examples; where there is None, the row draws one."""
        for row, pinned in zip(rows, examples, strict=True):
            drawn = pinned or self.task.example(self.task.draw(self._rngs[row]))
            self._episodes.begin(row, drawn)
        if rows:
            prompts = [self._episodes.prompts[row] for row in rows]
            self.engine.prefill(np.array(rows), prompts)
            self._over[rows] = False

    def _observe(self) -> np.ndarray:
        return self._observation.encode(self.outputs, self._episodes.drafts)
