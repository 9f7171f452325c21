"""What N rows have written: the only writer of the episode arrays.

Owns prompts, contexts, tokens, log-probabilities, rewards, texts and turns of the running episodes.
Knows nothing of models, spaces or when an episode is over.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, get_args

import numpy as np

from lm_envs.envs.snapshots import REMEDY, check_arrays, check_lists, check_parts
from lm_envs.tasks.base import Example, Task
from lm_envs.tasks.rewards.reward import CROSS_ENTROPY
from lm_envs.tasks.rewards.token_scores import Completions
from lm_envs.tokenizer import Tokenizer, text_of
from lm_envs.transcript import Ending, Transcript
from lm_envs.validation import check_choice, is_whole


class EpisodeBuffer:
    """N episodes side by side.

    Attributes:
        tokens: (N, B) int64 ids written by the agent; B is the token budget.
        logprobs: (N, B) float64 log-probabilities of the written tokens, nats.
        rewards: (N, B) float64 reward, at the last token of each step.
        steps_of: (N, B) int64 steps taken before each token was written.
        counts: (N,) int64 tokens written.
        steps: (N,) int64 steps taken.
        step_logprobs: (N,) float64 log-probability of what the last step wrote, nats.
        contexts: (N, C) int64 ids of the text as the model reads it.
        context_lengths: (N,) int64 tokens in it.
        prompt_lengths: (N,) int64 how many of them were read at once, as a prompt.
        texts: N strings written so far.
        turns: N lists of the lines completed so far.
        examples: What each row writes.
        task_scores: The task's own scores, (N,) float64 each.
        endings: How each row ended, None while it runs.
        potentials: (N,) float64 potential of each draft when it was last judged.
    """

    def __init__(self, num_rows: int, task: Task, tokenizer: Tokenizer) -> None:
        budget = task.max_new_tokens
        self._tokenizer = tokenizer
        self._task = task
        self.tokens = np.zeros((num_rows, budget), np.int64)
        self.logprobs = np.zeros((num_rows, budget))
        self.rewards = np.zeros((num_rows, budget))
        self.steps_of = np.zeros((num_rows, budget), np.int64)
        self.counts = np.zeros(num_rows, np.int64)
        self.steps = np.zeros(num_rows, np.int64)
        self.step_logprobs = np.zeros(num_rows)
        self.contexts = np.zeros((num_rows, task.context_tokens), np.int64)
        self.context_lengths = np.zeros(num_rows, np.int64)
        self.prompt_lengths = np.zeros(num_rows, np.int64)
        self.references = np.zeros((num_rows, budget), np.int64)
        self.reference_counts = np.zeros(num_rows, np.int64)
        self.potentials = np.zeros(num_rows)
        self.task_scores = {name: np.zeros(num_rows) for name in (*task.task_scores, CROSS_ENTROPY)}
        nothing = Example(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self.examples = [nothing] * num_rows
        self.texts = [""] * num_rows
        self.turns: list[list[str]] = [[] for _ in range(num_rows)]
        self.endings: list[Ending | None] = [None] * num_rows
        self._written = [b""] * num_rows
        self._line_starts = np.zeros(num_rows, np.int64)  # (N,) characters before the running line

    @property
    def completions(self) -> Completions:
        """The continuations as scores see them; a view, valid until the next write."""
        return Completions(
            tokens=self.tokens,
            lengths=self.counts,
            logprobs=self.logprobs,
            references=self.references,
            reference_lengths=self.reference_counts,
            budget=self.tokens.shape[1],
            texts=self.texts,
            targets=[example.targets for example in self.examples],
            task_scores=self.task_scores,
        )

    def begin(self, row: int, example: Example) -> None:
        """Starts a row afresh."""
        size = min(len(example.reference), self.references.shape[1])
        self.references[row, :size] = example.reference[:size]
        self.reference_counts[row] = size
        for counter in (
            self.counts,
            self.steps,
            self.potentials,
            self.step_logprobs,
            self._line_starts,
        ):
            counter[row] = 0
        for mark in self.task_scores.values():
            mark[row] = 0.0
        self.examples[row] = example
        self.endings[row] = None
        self.turns[row] = []
        self._written[row], self.texts[row] = b"", ""
        self.set_context(row, example.prompt)

    def set_context(self, row: int, context: np.ndarray) -> None:
        """Replaces the text that the model reads in a row by `context` (P,)."""
        self.contexts[row, : len(context)] = context
        self.context_lengths[row] = self.prompt_lengths[row] = len(context)

    def write(self, rows: np.ndarray, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """Appends one token to each of `rows` (R,); tokens and logprobs are (N,)."""
        columns = self.counts[rows]
        self.tokens[rows, columns] = tokens[rows]
        self.logprobs[rows, columns] = self.step_logprobs[rows] = logprobs[rows]
        self.rewards[rows, columns] = 0.0
        self.steps_of[rows, columns] = self.steps[rows]
        self.contexts[rows, self.context_lengths[rows]] = tokens[rows]
        self.context_lengths[rows] += 1
        self.counts[rows] += 1
        self.steps[rows] += 1
        token_bytes = self._tokenizer.token_bytes
        for row in rows.tolist():
            self._written[row] += token_bytes[tokens[row]]
            self.texts[row] = text_of(self._written[row])

    def write_line(self, row: int, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """Appends a whole line (T,) to a row, in one step."""
        end = self.counts[row] + len(tokens)
        self.tokens[row, self.counts[row] : end] = tokens
        self.logprobs[row, self.counts[row] : end] = logprobs
        self.step_logprobs[row] = logprobs.sum()
        self.rewards[row, self.counts[row] : end] = 0.0
        self.steps_of[row, self.counts[row] : end] = self.steps[row]
        start = self.context_lengths[row]
        self.contexts[row, start : start + len(tokens)] = tokens
        self.context_lengths[row] += len(tokens)
        self.counts[row] = end
        self.steps[row] += 1
        self._written[row] += self._bytes(tokens)
        self.texts[row] = text_of(self._written[row])

    def skip_step(self, rows: np.ndarray) -> None:
        """Counts a step of `rows` (R,) that wrote nothing."""
        self.step_logprobs[rows] = 0.0
        self.steps[rows] += 1

    def contexts_of(self, rows: np.ndarray) -> list[np.ndarray]:
        """Ids (P,) of the texts of `rows` (R,) as the model reads them; views."""
        return [self.contexts[row, : self.context_lengths[row]] for row in rows]

    @property
    def prompt_ids(self) -> list[np.ndarray]:
        """Ids (P,) of what each row read at once, as its prompt; views."""
        contexts = zip(self.contexts, self.prompt_lengths, strict=True)
        return [context[:size] for context, size in contexts]

    def current_line(self, row: int) -> str:
        """The line that a row is writing."""
        return self.texts[row][self._line_starts[row] :]

    def end_turn(self, row: int) -> None:
        """Counts the line that a row is writing as complete."""
        self.turns[row].append(self.current_line(row).strip())
        self._line_starts[row] = len(self.texts[row])

    def set_task_scores(self, row: int, task_scores: dict[str, float]) -> None:
        """Notes the task's own scores of a row."""
        for name, value in task_scores.items():
            self.task_scores[name][row] = value

    def shaped_rewards(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Rewards (N,) float64: how far each of `rows` rose to its new value (N,); 0 elsewhere."""
        rewards = np.zeros(len(values))
        rewards[rows] = values[rows] - self.potentials[rows]
        self.rewards[rows, np.maximum(self.counts[rows] - 1, 0)] += rewards[rows]
        self.potentials[rows] = values[rows]
        return rewards

    def transcript(self, row: int, scores: dict[str, float]) -> Transcript:
        """One row's episode as a value."""
        count = self.counts[row]
        return Transcript(
            prompt=self.prompt(row),
            text=self.texts[row],
            reference=self.reference(row),
            prompt_tokens=self.examples[row].prompt.copy(),
            tokens=self.tokens[row, :count].copy(),
            logprobs=self.logprobs[row, :count].copy(),
            rewards=self.rewards[row, :count].copy(),
            token_texts=self._token_texts(row),
            ending=self.endings[row],
            scores=scores,
        )

    def prompt(self, row: int) -> str:
        """Text the row's episode started from."""
        return self._tokenizer.decode(self.examples[row].prompt)

    def reference(self, row: int) -> str:
        """Text a reader would have hoped for."""
        return self._tokenizer.decode(self.references[row, : self.reference_counts[row]])

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs, as fresh arrays and lists."""
        state: dict[str, Any] = {name: getattr(self, name).copy() for name in _ARRAYS}
        return state | {
            "indices": [example.index for example in self.examples],
            "prompts": [self.prompt(row) for row in range(len(self.examples))],
            "task_scores": {name: values.copy() for name, values in self.task_scores.items()},
            "turns": [list(turns) for turns in self.turns],
            "endings": list(self.endings),
        }

    def check_state(self, state: Any) -> None:  # noqa: ANN401 - a caller's
        """Refuses a state of `get_state` that is not of rows, texts and examples such as these.

        Raises:
            ValueError: Naming what differs.
        """
        check_parts("of an environment of words", state, (*_ARRAYS, *_LISTS, "task_scores"))
        check_arrays(state, {name: getattr(self, name) for name in _ARRAYS})
        check_parts("of this task's task_scores", state["task_scores"], self.task_scores)
        check_arrays(state["task_scores"], self.task_scores)
        check_lists(state, _LISTS, len(self.examples))
        self._check_numbers(state)
        for row in range(len(self.examples)):
            self._check_row(row, state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Returns to what `get_state` gave."""
        for name in _ARRAYS:
            getattr(self, name)[...] = state[name]
        for name, values in state["task_scores"].items():
            self.task_scores[name][...] = values
        pairs = zip(state["indices"], state["prompts"], strict=True)
        self.examples = [self._example(index, prompt) for index, prompt in pairs]
        self.turns = [list(turns) for turns in state["turns"]]
        self.endings = list(state["endings"])
        for row, count in enumerate(self.counts):
            self._written[row] = self._bytes(self.tokens[row, :count])
            self.texts[row] = text_of(self._written[row])

    def _check_numbers(self, state: Mapping[str, Any]) -> None:
        """Refuses counts and ids that no row of these can have."""
        words, budget = len(self._tokenizer.token_bytes) - 1, self.tokens.shape[1]
        most = dict.fromkeys(("tokens", "references", "contexts"), words)
        most |= dict.fromkeys(("counts", "reference_counts"), budget)
        most |= dict.fromkeys(("context_lengths", "prompt_lengths"), self.contexts.shape[1])
        for name, highest in most.items():
            values = np.asarray(state[name])
            if (values < 0).any() or (values > highest).any():
                raise ValueError(
                    f"Got a state whose {name} lie between {values.min()} and {values.max()}; "
                    f"allowed: 0 to {highest}. {REMEDY}"
                )

    def _check_row(self, row: int, state: Mapping[str, Any]) -> None:
        """Refuses a row whose example is not here, or whose turns or ending are none."""
        index, prompt = state["indices"][row], state["prompts"][row]
        count = int(state["reference_counts"][row])
        if not self._has(index, prompt, np.asarray(state["references"])[row, :count]):
            raise ValueError(
                f"Got a state whose row {row} is of example {index!r}, {str(prompt)[:60]!r}, "
                f"which is not that one here. {REMEDY}"
            )
        turns, ending = state["turns"][row], state["endings"][row]
        if not isinstance(turns, (list, tuple)) or not all(isinstance(t, str) for t in turns):
            raise ValueError(f"Got a state whose turns of row {row} are {turns!r}; allowed: texts.")
        check_choice(f"ending of row {row} in a state", ending, (None, *get_args(Ending)))

    def _has(self, index: Any, prompt: Any, reference: np.ndarray) -> bool:  # noqa: ANN401
        """Whether the example of that number starts and goes on so."""
        is_known = is_whole(index) and -1 <= index < self._task.num_examples
        if not is_known or not isinstance(prompt, str):
            return False
        example = self._example(index, prompt)
        is_same = index < 0 or self._tokenizer.decode(example.prompt) == prompt
        own = example.reference[: self.tokens.shape[1]]
        return is_same and bool(np.array_equal(own, reference))

    def _example(self, index: int, prompt: str) -> Example:
        """The example of that number, or the one made of a caller's prompt."""
        return self._task.example(index) if index >= 0 else self._task.example_of(prompt)

    def _bytes(self, tokens: Sequence[int] | np.ndarray) -> bytes:
        token_bytes = self._tokenizer.token_bytes
        return b"".join([token_bytes[token] for token in tokens])

    def _token_texts(self, row: int) -> tuple[str, ...]:
        """What each token added to the text."""
        written, texts = b"", [""]
        for token in self.tokens[row, : self.counts[row]]:
            written += self._tokenizer.token_bytes[token]
            texts.append(text_of(written))
        return tuple(new[len(old) :] for old, new in pairwise(texts))


_ARRAYS = (
    *(
        "tokens",
        "logprobs",
        "rewards",
        "steps_of",
        "counts",
        "steps",
        "potentials",
        "step_logprobs",
    ),
    *(
        "contexts",
        "context_lengths",
        "prompt_lengths",
        "references",
        "reference_counts",
        "_line_starts",
    ),
)

_LISTS = ("indices", "prompts", "turns", "endings")
