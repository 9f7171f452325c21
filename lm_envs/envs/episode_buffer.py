"""What N rows have written: the only writer of the episode arrays.

Owns prompts, contexts, tokens, log-probabilities, rewards, texts and turns of the running episodes.
Knows nothing of models, spaces, or when an episode is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from lm_envs.envs.shaping import shaped_rewards
from lm_envs.lru import LRUCache
from lm_envs.tasks.base import Example, Task
from lm_envs.tasks.rewards.completions import Completions, NextTokenScorer
from lm_envs.tokenizer import Tokenizer, decode_prefix, text_of
from lm_envs.transcript import Ending, Reply, Transcript

TEXT_CACHE_BYTES = 16 * 2**20
"""Memory of the cached texts of prompts, and of references: each example is started many times."""

ENTRY_BYTES = 200
"""Memory of a text and its ids beside their contents, as measured."""

EXAMPLE_CACHE_BYTES, EXAMPLE_BYTES = 32 * 2**20, 600
"""Most memory of the stored examples, images included; and memory of one beside its arrays."""


class EpisodeBuffer:
    """N episodes side by side.

    B is the token budget, C the largest number of tokens in a context.

    Args:
        num_rows: N.
        task: The task; its budget and context size are the sizes of the arrays.
        tokenizer: Turns ids into text.

    Attributes:
        tokens: (N, B) int64 ids of the completion.
        logprobs: (N, B) float64 log-probabilities of these tokens, nats.
        rewards: (N, B) float64 reward, at the last token of each step.
        steps_of: (N, B) int64 number of steps before each token was written.
        counts: (N,) int64 tokens written.
        steps: (N,) int64 steps taken.
        step_logprobs: (N,) float64 log-probability of what the last step wrote, nats.
        contexts: (N, C) int64 ids of the text as the model reads it.
        context_lengths: (N,) int64 tokens in it.
        prompt_lengths: (N,) int64 tokens of it that are read at once, as the prompt.
        references: (N, B) int64 ids of the reference.
        reference_counts: (N,) int64 tokens in it.
        line_starts: (N,) int64 characters of the text before the line that is being written.
        potentials: (N,) float64 potential of each completion when it was last scored.
        task_scores: The task's own scores, (N,) float64 each.
        texts: N strings, the completions.
        turns: N lists of the lines completed so far.
        replies: N lists of what answered them.
        examples: N examples.
        prompts: N strings, the texts the episodes started from.
        prompt_tokens: Their ids, (P,) int64 each.
        targets: N tuples of texts, any of which is right.
        columns: N mappings, the other fields of the examples.
        endings: How each row ended, None while it runs.
        completions: The same arrays and lists as scores use them: a live view, not a copy.
        example: Returns the task's example of an index; recent ones are stored.
    """

    def __init__(self, num_rows: int, task: Task, tokenizer: Tokenizer) -> None:
        budget = task.max_new_tokens
        self.tokenizer, self.task = tokenizer, task
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
        self.line_starts = np.zeros(num_rows, np.int64)
        self.potentials = np.zeros(num_rows)
        self.task_scores = {name: np.zeros(num_rows) for name in task.task_scores}
        nothing = Example(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self.examples = [nothing] * num_rows
        self.prompts, self.texts = [""] * num_rows, [""] * num_rows
        self.prompt_tokens = [example.prompt for example in self.examples]
        self.targets: list[tuple[str, ...]] = [()] * num_rows
        self.columns: list[Mapping[str, Any]] = [{}] * num_rows
        self.turns: list[list[str]] = [[] for _ in range(num_rows)]
        self.replies: list[list[Reply]] = [[] for _ in range(num_rows)]
        self.endings: list[Ending | None] = [None] * num_rows
        self._incomplete = [b""] * num_rows  # bytes of the last character, where more must follow
        examples = LRUCache[int, Example](EXAMPLE_CACHE_BYTES, _example_bytes)
        self.example = examples.memoize(task.example)
        self._decode = _memoized(tokenizer.decode)
        self._decode_prompt = _memoized(tokenizer.decode_prompt)
        self.completions = self._make_completions()

    def _make_completions(self) -> Completions:
        return Completions(
            tokens=self.tokens,
            lengths=self.counts,
            logprobs=self.logprobs,
            references=self.references,
            reference_lengths=self.reference_counts,
            budget=self.tokens.shape[1],
            texts=self.texts,
            targets=self.targets,
            task_scores=self.task_scores,
            prompts=self.prompts,
            prompt_tokens=self.prompt_tokens,
            columns=self.columns,
        )

    def use_model(self, model: NextTokenScorer) -> None:
        """Lets scores use the language model."""
        self.completions = replace(self.completions, model=model)

    def begin(self, row: int, example: Example) -> None:
        """Starts a new episode in a row."""
        size = min(len(example.reference), self.references.shape[1])
        self.references[row, :size] = example.reference[:size]
        self.reference_counts[row] = size
        counters = (self.counts, self.steps, self.potentials, self.step_logprobs, self.line_starts)
        for counter in (*counters, *self.task_scores.values()):
            counter[row] = 0
        self.set_example(row, example)
        self.endings[row] = None
        self.turns[row], self.replies[row] = [], []
        self._incomplete[row], self.texts[row] = b"", ""
        self.set_context(row, example.prompt)

    def set_example(self, row: int, example: Example) -> None:
        """Sets the example of a row, and what scores use of it."""
        self.examples[row] = example
        self.prompts[row] = self.prompt_text(example)
        self.prompt_tokens[row], self.targets[row] = example.prompt, example.targets
        self.columns[row] = example.columns

    def prompt_text(self, example: Example) -> str:
        """Returns the prompt of an example as text."""
        return self._decode_prompt(example.prompt.tobytes())

    def set_context(self, row: int, context: np.ndarray) -> None:
        """Replaces the text that the model reads in a row by the ids `context` (P,)."""
        self.contexts[row, : len(context)] = context
        self.context_lengths[row] = self.prompt_lengths[row] = len(context)

    def write(self, rows: np.ndarray, tokens: np.ndarray) -> None:
        """Appends one of `tokens` (N,) to each of `rows` (R,); `set_logprobs` has to follow."""
        columns = self.counts[rows]
        self.tokens[rows, columns] = tokens[rows]
        self.rewards[rows, columns] = 0.0
        self.steps_of[rows, columns] = self.steps[rows]
        self.contexts[rows, self.context_lengths[rows]] = tokens[rows]
        self.context_lengths[rows] += 1
        self.counts[rows] += 1
        self.steps[rows] += 1
        token_bytes = self.tokenizer.token_bytes
        token_texts, texts, incomplete = self.tokenizer.token_texts, self.texts, self._incomplete
        # No call for an ordinary token: at many rows this loop is a large part of the host's time.
        for row, token in zip(rows.tolist(), tokens[rows].tolist(), strict=True):
            if (added := token_texts[token]) is None or incomplete[row]:
                self._append_text(row, token_bytes[token])
            else:
                texts[row] += added

    def set_logprobs(self, rows: np.ndarray, logprobs: np.ndarray) -> None:
        """Stores the log-probabilities (N,) of the tokens that `rows` (R,) have just written."""
        self.logprobs[rows, self.counts[rows] - 1] = self.step_logprobs[rows] = logprobs[rows]

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
        self._append_text(row, self._join(tokens))

    def skip_step(self, rows: np.ndarray) -> None:
        """Counts a step of `rows` (R,) that wrote nothing."""
        self.step_logprobs[rows] = 0.0
        self.steps[rows] += 1

    def rebuild_texts(self) -> None:
        """Sets the texts of all rows from their tokens, after the tokens were replaced."""
        for row, count in enumerate(self.counts):
            written = self._join(self.tokens[row, :count])
            self.texts[row], self._incomplete[row] = decode_prefix(written)
            self.replies[row] = self._rebuilt_replies(row)

    def contexts_of(self, rows: np.ndarray) -> list[np.ndarray]:
        """Returns the ids (P,) of the contexts of `rows` (R,), as views."""
        return [self.contexts[row, : self.context_lengths[row]] for row in rows]

    @property
    def prompt_ids(self) -> list[np.ndarray]:
        """Ids (P,) of what each row read at once, as its prompt; views."""
        pairs = zip(self.contexts, self.prompt_lengths, strict=True)
        return [context[:size] for context, size in pairs]

    def current_lines(self, rows: np.ndarray) -> list[str]:
        """Returns the lines that `rows` (R,) are writing."""
        texts, starts = self.texts, self.line_starts[rows].tolist()
        return [texts[row][start:] for row, start in zip(rows.tolist(), starts, strict=True)]

    def end_turn(self, row: int) -> None:
        """Adds the line that a row is writing to its completed lines."""
        self.turns[row].append(self.texts[row][self.line_starts[row] :].strip())
        self.line_starts[row] = len(self.texts[row])

    def add_reply(self, row: int, reply: str) -> None:
        """Stores what answers the turn that a row has ended; nothing if it is empty."""
        if reply:
            self.replies[row].append(Reply(int(self.counts[row]), reply))

    @property
    def new_replies(self) -> np.ndarray:
        """Replies to the lines that the rows have just completed, (N,) of strings; "" for none."""
        last = [replies[-1] if replies else Reply(-1, "") for replies in self.replies]
        is_new = [each.position == count for each, count in zip(last, self.counts, strict=True)]
        texts = [each.text if new else "" for each, new in zip(last, is_new, strict=True)]
        return np.array(texts, object)

    def set_task_scores(self, row: int, task_scores: dict[str, float]) -> None:
        """Stores the task's own scores of a row."""
        for name, value in task_scores.items():
            self.task_scores[name][row] = value

    def shaped_rewards(
        self, rows: np.ndarray, potentials: np.ndarray, terminated: np.ndarray, gamma: float
    ) -> np.ndarray:
        """Stores new potentials (N,) of `rows` (R,) and returns their rewards.

        Args:
            rows: (R,) int64.
            potentials: (N,).
            terminated: (N,) bool, rows whose episode the step ended.
            gamma: Discount of the agent.

        Returns:
            (N,) float64: see `lm_envs.envs.shaping`; 0 elsewhere.
        """
        rewards = np.zeros(len(potentials))
        rewards[rows] = shaped_rewards(
            self.potentials[rows], potentials[rows], terminated[rows], gamma
        )
        self.rewards[rows, np.maximum(self.counts[rows] - 1, 0)] += rewards[rows]
        self.potentials[rows] = potentials[rows]
        return rewards

    def transcript(self, row: int, scores: dict[str, float]) -> Transcript:
        """Returns one row's episode as a value."""
        count = self.counts[row]
        return Transcript(
            prompt=self.prompts[row],
            text=self.texts[row],
            reference=self.reference(row),
            prompt_tokens=self.examples[row].prompt.copy(),
            tokens=self.tokens[row, :count].copy(),
            logprobs=self.logprobs[row, :count].copy(),
            rewards=self.rewards[row, :count].copy(),
            token_texts=self._token_texts(row),
            ending=self.endings[row],
            scores=scores,
            replies=tuple(self.replies[row]),
            image=self.examples[row].image,
        )

    def reference(self, row: int) -> str:
        """Returns the reference of a row as text."""
        return self._decode(self.references[row, : self.reference_counts[row]].tobytes())

    def _append_text(self, row: int, written: bytes) -> None:
        text, self._incomplete[row] = decode_prefix(self._incomplete[row] + written)
        self.texts[row] += text

    def _join(self, tokens: Sequence[int] | np.ndarray) -> bytes:
        token_bytes = self.tokenizer.token_bytes
        return b"".join([token_bytes[token] for token in tokens])

    def _rebuilt_replies(self, row: int) -> list[Reply]:
        """Returns the replies to a row's turns: a function of the turns, so no state holds them."""
        if not self.turns[row]:
            return []
        task, turns, token_texts = self.task, self.turns[row], self._token_texts(row)
        replies, position = [], 0
        for number, turn in enumerate(turns):
            line = ""
            # A turn ends with the last token after which its line, without blanks, is the turn.
            while position < len(token_texts) and turn.startswith(
                (line + token_texts[position]).strip()
            ):
                line += token_texts[position]
                position += 1
            text = task.respond(self.examples[row], turns[: number + 1]).reply
            replies += [Reply(position, text)] if text else []
        return replies

    def _token_texts(self, row: int) -> tuple[str, ...]:
        """Returns what each token added to the text."""
        written, texts = b"", [""]
        for token in self.tokens[row, : self.counts[row]]:
            written += self.tokenizer.token_bytes[token]
            texts.append(text_of(written))
        return tuple(new[len(old) :] for old, new in pairwise(texts))


def _example_bytes(_: int, example: Example) -> int:
    return EXAMPLE_BYTES + example.num_bytes


def _memoized(decode: Callable[[np.ndarray], str]) -> Callable[[bytes], str]:
    """A cached function of ids int64 given as bytes, which can be the key of a cache."""
    cache = LRUCache[bytes, str](
        TEXT_CACHE_BYTES, lambda ids, text: ENTRY_BYTES + len(ids) + len(text)
    )
    return cache.memoize(lambda ids: decode(np.frombuffer(ids, np.int64)))
