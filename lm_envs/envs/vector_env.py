"""N episodes of one language task over one engine.

Owns the order of a step: act, respond, end, score. What is written lives in `EpisodeBuffer`, the
model in `Engine`, the scores in the task's reward; autoreset and reports in `EpisodicVectorEnv`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs.envs import episode_state
from lm_envs.envs.actions.factory import ActionSpec
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.factory import build
from lm_envs.envs.modes import check_modes
from lm_envs.envs.prompt_groups import PromptGroups
from lm_envs.envs.reset_options import selected_examples
from lm_envs.envs.reward_tracker import RewardTracker
from lm_envs.envs.rows import Observations, new_generators
from lm_envs.envs.shaping import check_discount
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Outputs
from lm_envs.model.loading import EMBEDDED
from lm_envs.tasks import TaskSpec
from lm_envs.tasks.base import Example
from lm_envs.transcript import TRUNCATIONS, Ending, Transcript
from lm_envs.validation import check_choice, check_limit, path_as_text

ENDINGS: tuple[Ending, ...] = ("end_token", "budget", "complete", "context", "time_limit")
"""Reasons for an episode to end; where several hold, the first one is reported."""

CACHE_BYTES, ENTRY_BYTES = 32 * 2**20, 600
"""Most memory of an environment's tokenized contexts, and memory of one beside its contents: 300 to
600 bytes were measured."""


class LanguageVectorEnv(EpisodicVectorEnv):
    """N rows of one language task, written together by one language model.

    The single environment is row 0 of a one-row `LanguageVectorEnv`; see `NextWordEnv` for the
    observations, actions, rewards and infos of an episode. Row i draws from its own generator,
    seeded seed + i, and replays the single environment seeded seed + i.

    Args:
        num_envs: N.
        task: Name in `lm_envs.tasks.TASKS`, "module:Class", a class, or a task.
        model: "embedded", a folder (a text or a `pathlib.Path`), or a hub name such as "gpt2".
        device: "auto" (the environment variable LM_ENVS_DEVICE if set, else CUDA where available),
            "cpu", "cuda", "cuda:1", …
        dtype: "auto" (bfloat16 on CUDA, float32 on CPU), "float32", "bfloat16", or "int8" (faster
            on CPUs with VNNI instructions, less precise; see `lm_envs.model.loading.load`).
        deterministic: A row's bits do not depend on other rows on CUDA either, by slower kernels;
            see `lm_envs.model.loading.load`.
        cache_dtype: Type of the KV cache: "auto" (that of the model), or "int8" (about half the
            memory of bfloat16, faster on CPUs where attention is bound by memory; see
            `lm_envs.model.engine.Engine`).
        actions: "top_k", "vocabulary", "embedding", "choices", "read_write" or "show_words" (see
            `lm_envs.envs.actions`); with options, such as {"kind": "top_k", "k": 8, "copies": 8};
            "module:Class", a class, or an `Actions` object.
        observation: "hidden", "embeddings", "words", "candidates" or "tokens" (see
            `lm_envs.envs.observations`); with options, such as {"kind": "embeddings", "last": 4}
            or {"kind": "hidden", "reducer": "states.safetensors"}; "module:Class", or an object.
        dense: Reward each step by how much it raised the potential of the text; otherwise the last
            step is rewarded with the whole potential. The sum over an episode is the same.
        gamma: Discount of the agent that learns. With `dense`, a step before the end pays gamma
            times the new potential less the old one, so that the best policy at this discount is
            that of `dense=False`; with 1 the rewards of an episode add up to its score. Give an
            agent's discount here: Stable-Baselines3's is 0.99 by default.
        max_steps: Truncate after this many steps; None for no limit. Gymnasium's own
            `max_episode_steps` truncates from outside: then nothing is scored or reported.
        group_size: G, a divisor of N: the n-th episodes of rows 0 to G - 1 have one prompt, those
            of the next G rows another, and so on, as group-relative advantages need it. Row i then
            does not replay the single environment, but seeds give the same prompts again.
        prompt_cache: MiB for the keys and values (and, with copied tokens, hidden states) of
            prompts, shared by all environments of one model; `actions="choices"` uses at most 3/16
            of it, for what it computed of prompts and lines. Memory is used as prompts come. 0
            turns it off.
        chat_template: Put each prompt as a user's message into the chat template of the model's
            tokenizer; what the agent writes is then the assistant's message. Rewards and infos
            see the prompt without the template, and `prompt_tokens` counts it without. In a task of
            several turns the message has the whole conversation so far.
        system_prompt: Text of the system's message before it; None for none.
        user_prompt: Text of the user's message, with `{prompt}` in place of the prompt; None for
            the prompt alone.
        autoreset_mode: "next_step", "same_step" or "disabled", or Gymnasium's enum.
        render_mode: None, "ansi" or "rgb_array".
        task_options: Arguments of the task, such as `dataset`, `split` and `rewards`.

    Attributes:
        tokenizer: The model's tokenizer.
        task: The task.
        engine: The model with one KV slot a row.
        episodes: What the rows have written.
        actions: The action kind.
        observation: The observation; `observation.columns` names the columns of a vector.
        dense: As given.
        gamma: The discount; may be set between steps.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: TaskSpec,
        model: str = EMBEDDED,
        device: str = "auto",
        dtype: str = "auto",
        deterministic: bool = False,
        cache_dtype: str = "auto",
        actions: ActionSpec = "top_k",
        observation: Any = "hidden",  # noqa: ANN401 - see make_observation
        dense: bool = True,
        gamma: float = 1.0,
        max_steps: int | None = None,
        group_size: int = 1,
        prompt_cache: int = 1024,
        chat_template: bool = False,
        system_prompt: str | None = None,
        user_prompt: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_options: Any,  # noqa: ANN401 - the task's own arguments
    ) -> None:
        check_modes(autoreset_mode, render_mode)
        self._max_steps = _checked_limit(dense, max_steps)
        rngs, seeds = new_generators(num_envs)
        self._groups = PromptGroups(rngs, seeds, group_size)
        named: dict[str, Any] = {"model": path_as_text(model), "device": device, "dtype": dtype}
        named |= {"cache_dtype": cache_dtype, "prompt_cache": prompt_cache, "actions": actions}
        named |= {"chat_template": chat_template, "system_prompt": system_prompt}
        named |= {"user_prompt": user_prompt, "observation": observation}
        parts = build(rngs, task, task_options, deterministic=deterministic, **named)
        self.tokenizer, self.task, self.engine = parts.tokenizer, parts.task, parts.engine
        self.episodes, self.observation = parts.episodes, parts.observation
        self.actions, self.dense, self.gamma = parts.actions, dense, check_discount(gamma)
        self._encode = LRUCache(CACHE_BYTES, _ids_bytes).memoize(self.tokenizer.encode_prompt)
        self._tracker = RewardTracker(self.task.reward, self.episodes, dense=dense)
        modes: dict[str, Any] = {"autoreset_mode": autoreset_mode, "render_mode": render_mode}
        super().__init__(rngs, seeds, self.observation.space, self.actions.space, **modes)

    @property
    def outputs(self) -> Outputs:
        """Each row's candidates for the next token, their log-probabilities, hidden states."""
        return self.actions.outputs

    @property
    def num_examples(self) -> int:
        """Number of examples that the task has."""
        return self.task.num_examples

    @property
    def steps(self) -> np.ndarray:
        """Steps taken in each row's episode, (N,) int64."""
        return self.episodes.steps.copy()

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """Components of the reward, unweighted, (N,) each, when they were last computed."""
        return {name: values.copy() for name, values in self._tracker.scores.items()}

    @property
    def candidate_logprobs(self) -> np.ndarray:
        """Log-probabilities (N, K) of what the model itself would do next, best first, nats.

        -inf for what `action_masks` forbids.
        """
        return self.actions.candidate_logprobs()

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns actions of N rows that perform the candidates of these ranks (N,)."""
        return self.actions.actions_for_ranks(ranks)

    def oracle_actions(self) -> np.ndarray:
        """Returns actions of N rows that lead to the target, as far as the actions allow it.

        The line that the task knows to be right, or the reference's next token where it is a
        candidate; else the model's first candidate.
        """
        return self.actions.oracle_actions()

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns the baselines of the action kind: functions by name, each gives N actions."""
        return self.actions.rule_policies()

    def action_masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (N, actions) bool, for sb3-contrib."""
        return self.actions.masks()

    def _selected_examples(
        self, options: dict[str, Any]
    ) -> tuple[list[int], Sequence[Example | None]]:
        longest = self.engine.capacity - self.actions.reserved_tokens
        example = self.episodes.example
        return selected_examples(options, self.num_envs, self.task, example, longest)

    def _seed_rows(self, rows: Sequence[int], seeds: np.ndarray) -> None:
        super()._seed_rows(rows, seeds)
        self._groups.seed(rows, seeds)

    def _begin_rows(self, rows: list[int], examples: Sequence[Example | None]) -> None:
        for row, example in zip(rows, examples, strict=True):
            drawn = example or self.episodes.example(self._groups.draw(row, self.num_examples))
            self.episodes.begin(row, drawn)
        self.actions.read_contexts(np.array(rows))
        self.actions.update_choices(np.array(rows))

    def _validated_actions(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        return self.actions.check(actions, active)

    def _act(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Writes one token, or one line, in each of `rows`."""
        episodes = self.episodes
        has_line = self.actions.write(rows, actions)
        counts = episodes.counts[rows]
        last = episodes.tokens[rows, counts - 1]
        is_end = (counts > 0) & np.isin(last, self.tokenizer.end_tokens)
        is_spent = counts >= self.task.max_new_tokens
        is_complete = self._respond(rows, has_line | is_end | is_spent)
        is_full = episodes.context_lengths[rows] >= self.engine.capacity
        is_late = episodes.steps[rows] >= self._max_steps
        reasons = np.stack([is_end, is_spent, is_complete, is_full, is_late])  # as ENDINGS
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        for place in np.flatnonzero(reasons.any(0)):
            ending = episodes.endings[rows[place]] = ENDINGS[reasons[:, place].argmax()]
            truncated[rows[place]] = ending in TRUNCATIONS
            terminated[rows[place]] = ending not in TRUNCATIONS
        is_over = terminated | truncated
        scored = rows if self.dense else rows[is_over[rows]]
        potentials = self._tracker.potentials(scored, is_over, self.actions.collect)
        gamma = self.gamma if self.dense else 1.0
        rewards = episodes.shaped_rewards(scored, potentials, terminated, gamma)
        return rewards, terminated, truncated

    def _respond(self, rows: np.ndarray, has_line: np.ndarray) -> np.ndarray:
        """Ends the turns of those of `rows` (R,) that have a line; which are complete, (R,)."""
        is_complete = np.zeros(len(rows), bool)
        if not has_line.any():
            return is_complete
        episodes, to_read = self.episodes, []
        for place in np.flatnonzero(has_line):
            row = int(rows[place])
            episodes.end_turn(row)
            response = self.task.respond(episodes.examples[row], episodes.turns[row])
            episodes.set_task_scores(row, response.task_scores)
            episodes.add_reply(row, response.reply)
            is_last = len(episodes.turns[row]) >= self.task.max_turns
            is_complete[place] = response.is_over or is_last
            if not is_complete[place]:
                left = self.task.max_new_tokens - int(episodes.counts[row])
                context = self._encode(response.context)
                # The beginning of a context is dropped if what may still be written would not fit.
                episodes.set_context(row, context[-(self.engine.capacity - left) :])
                to_read.append(row)
        if to_read:
            self.actions.collect()
            self.actions.read_contexts(np.array(to_read))
        self.actions.update_choices(rows[has_line])
        return is_complete

    def _step_values(self) -> dict[str, np.ndarray]:
        """`text`, the completion so far, and `logprob`, that of what the step wrote, nats.

        In tasks of several turns also `reply`, what answered the line that the step completed.
        """
        texts = np.array(self.episodes.texts, object)
        values = {"text": texts, "logprob": self.episodes.step_logprobs}
        return values if self.task.max_turns == 1 else values | {"reply": self.episodes.new_replies}

    def _final_info(self, row: int) -> dict[str, Any]:
        episodes = self.episodes
        scores = {name: float(values[row]) for name, values in self._tracker.scores.items()}
        scores["reward"] = float(episodes.potentials[row])
        return {
            "prompt": episodes.prompts[row],
            "reference": episodes.reference(row),
            "ending": episodes.endings[row],
            "scores": scores,
        }

    def transcript(self, row: int) -> Transcript:
        """Returns the episode of one row so far."""
        is_over = self.episodes.endings[row] is not None
        return self.episodes.transcript(row, self._final_info(row)["scores"] if is_over else {})

    def _prompt(self, row: int) -> str:
        return self.episodes.prompts[row]

    def observe(self) -> Observations:
        """Returns the current observations of N rows, in new arrays."""
        return self.observation.encode(self.actions.outputs, self.episodes)

    def _get_episodes(self) -> dict[str, Any]:
        return episode_state.get_state(self.episodes) | self._groups.get_state()

    def _checked_episodes(self, episodes: Any, over: np.ndarray) -> Any:  # noqa: ANN401 - a caller's value
        rest, generators = self._groups.split_state(episodes)
        state = episode_state.upgraded(rest, self.episodes)
        episode_state.check_state(self.episodes, state, over)
        return state, generators

    def _set_episodes(self, episodes: tuple[dict[str, Any], list[np.random.Generator]]) -> None:
        """Restores the episodes, and rebuilds the KV cache as it was built."""
        state, generators = episodes
        self._groups.set_state(generators)
        self.actions.before_restore()
        episode_state.set_state(self.episodes, state)
        self.actions.restore()
        self.actions.update_choices(np.arange(self.num_envs))
        self._tracker.potentials(np.arange(self.num_envs), self._over)


def _ids_bytes(text: str, ids: np.ndarray) -> int:
    return ENTRY_BYTES + len(text) + ids.nbytes


def _checked_limit(dense: bool, max_steps: int | None) -> float:
    """Returns the most steps; raises ValueError for a wrong argument, before any building."""
    check_choice("dense", dense, (True, False))
    return check_limit("max_steps", max_steps)
