"""Tasks that end after one line: a prompt, one or more targets, and lines to choose from.

Owns the examples of such a task and what its subclasses share: reading rows, length limits, answer
options and the end of the episode. Knows nothing of models.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lm_envs.tasks.answer_options import AnswerKey, DrawnOptions
from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.data.length_limits import drop_too_long
from lm_envs.tasks.data.solved_examples import POOL, solved_examples
from lm_envs.tasks.datasets import EMBEDDED, Row, read_rows, resolve_columns
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tasks.rewards.text_normalization import normalize_answer, one_line, to_nfc
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count


@dataclass(frozen=True, slots=True)
class CompletionItem:
    """One example of a `CompletionTask`, as text.

    Attributes:
        prompt: All text before the completion.
        targets: One or more correct completions. Line ends in targets are replaced by spaces,
            because the first line end ends a completion; targets of items with `verify` are kept.
        group: Wrong answer options are drawn from the targets of the same group, so that an option
            cannot be ruled out by its kind alone.
        verify: Returns the correctness of a completion, 0 to 1; None if only `targets` are known.
        columns: Other fields of the row that the item was made from, as read.
        image: (H, W, 3) uint8 image that belongs to the prompt; None in tasks without.
        solved_examples: Text before the prompt: other prompts with their targets, in a task with
            `shots`.
    """

    prompt: str
    targets: tuple[str, ...]
    group: str = ""
    verify: Callable[[str], float] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    image: np.ndarray | None = None
    solved_examples: str = ""

    @property
    def shown(self) -> str:
        """The text that the model reads: the prompt, after the solved examples."""
        return self.solved_examples + self.prompt


class CompletionTask:
    """Write one line after a prompt. Base class; a subclass needs column names and `make_item`.

    Prompt: `CompletionItem.prompt`.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: any score of a text or of tokens; subclasses can add their own by `task_scores`.
    Rows of a caller's dataset with the same prompt are one example with the targets of all.

    A complete task, which reads any file with the columns "word" and "rhyme"::

        class Rhyme(CompletionTask):
            column_names = ("word", "rhyme")
            default_rewards = {"exact_match": 1.0}

            def make_item(self, row: Row) -> CompletionItem:
                return CompletionItem(f"A rhyme for {row.text('word')}:", row.texts["rhyme"])

    A subclass with more arguments defines `__init__` with explicit keyword-only arguments, because
    environments validate arguments by its signature. It sets what `make_item` needs before it calls
    `super().__init__`, which makes all items.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded", a .jsonl, .csv or .tsv file, or a hub dataset. The encoding of a file
            that is not UTF-8 stands behind a colon: "reviews.csv:cp1252".
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        columns: Fields for names in `column_names` that have another name in the file.
        prompt_tokens: Largest number of tokens in the text of a prompt; examples with longer
            prompts are left out, with a warning. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode; examples with longer first targets are left out,
            with a warning.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `default_rewards`.

    Attributes:
        column_names: Names of the texts in a row.
        embedded_name: Name of the embedded file that dataset "embedded" stands for; empty if the
            task has no embedded examples.
        default_rewards: Weights of the default reward.
        task_scores: Names of the scores that `respond` computes.
        known_answers: First targets by prompt, of the examples that solved ones are taken from.

    Raises:
        ValueError: If an argument is out of range, or no example is short enough.
    """

    column_names: tuple[str, ...] = ("text", "target")
    embedded_name: str = ""
    default_rewards: Mapping[str, float] = {"exact_match": 1.0}
    task_scores: tuple[str, ...] = ()
    max_turns: int = 1

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = EMBEDDED,
        split: str = "train",
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int = 64,
        max_new_tokens: int = 32,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        check_count("prompt_tokens", prompt_tokens)
        check_count("max_new_tokens", max_new_tokens)
        check_count("shots", shots, least=0)
        SplitSpec.parse(split)
        self.prompt_tokens = prompt_tokens + tokenizer.prompt_overhead
        self.max_new_tokens = max_new_tokens
        self.context_tokens = self.prompt_tokens + max_new_tokens
        self.reward = Reward(self.default_rewards if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        self.known_answers: Mapping[str, str] = {}
        items = [_single_line(item) for item in self.load_items(dataset, split, columns)]
        if shots:
            shown = self.make_solved_examples(items, shots, dataset, split, columns)
            pairs = zip(items, shown, strict=True)
            items = [replace(item, solved_examples=text) for item, text in pairs]
        self._items = self._short_items(items, dataset)
        # Embedded examples stay as they were in earlier versions, so that results can be compared.
        self._answer_key: AnswerKey = str if dataset == EMBEDDED else normalize_answer
        if dataset != EMBEDDED:
            self._items = _merge_same_prompts(self._items)
        if not self._items:
            raise ValueError(
                f"Got no example whose prompt has at most prompt_tokens={prompt_tokens} tokens and "
                f"whose target has at most max_new_tokens={max_new_tokens}; raise them."
            )
        self._options = self.make_options(self._items)
        self.num_examples = len(self._items)
        self.num_options = len(self._options[0])

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item for one row; its `columns` are filled in by `load_items`."""
        raise NotImplementedError(f"{type(self).__name__} must define make_item or load_items.")

    def row_filters(self) -> Mapping[str, str]:
        """Returns values by field; rows with another value in such a field are left out.

        Fields have the names of arguments. In a caller's dataset they count only if the argument
        was changed: a column "kind" of a user's own has another meaning than the default.
        """
        return {}

    def read_rows(
        self, dataset: str, split: str | None, columns: Mapping[str, str] | None
    ) -> list[Row]:
        """Returns the rows of one split; of all splits if it is None."""
        if dataset == EMBEDDED and not self.embedded_name:
            raise ValueError(
                f"Got dataset={dataset!r}, but {type(self).__name__} has no embedded examples; "
                "allowed: a .jsonl, .csv or .tsv file, or a hub dataset."
            )
        names = resolve_columns(columns, self.column_names)
        filters = self.row_filters()
        if dataset != EMBEDDED:
            parameters = inspect.signature(type(self)).parameters
            filters = {
                name: value
                for name, value in filters.items()
                if name not in parameters or parameters[name].default != value
            }
        return read_rows(dataset, split, names, self.embedded_name, filters)

    def load_items(
        self, dataset: str, split: str, columns: Mapping[str, str] | None
    ) -> list[CompletionItem]:
        """Returns all items of a split; override it for items that do not come from rows."""
        rows = self.read_rows(dataset, split, columns)
        return [replace(self.make_item(row), columns=row.columns) for row in rows]

    def make_solved_examples(
        self,
        items: Sequence[CompletionItem],
        shots: int,
        dataset: str,
        split: str,
        columns: Mapping[str, str] | None,
    ) -> list[str]:
        """Returns the text before each prompt: the most similar examples of the split "train"."""
        pool = items if split == POOL else self.load_items(dataset, POOL, columns)
        self.known_answers = {item.prompt: one_line(item.targets[0]) for item in reversed(pool)}
        return solved_examples([item.prompt for item in items], self.known_answers, shots)

    def make_options(self, items: Sequence[CompletionItem]) -> Sequence[tuple[str, ...]]:
        """Returns the lines to choose from for each item, equally many for all.

        Default: the first target of the item among first targets of other items.
        """
        targets, groups = [item.targets for item in items], [item.group for item in items]
        return DrawnOptions(targets, groups, self._answer_key)

    def item(self, example: Example) -> CompletionItem:
        """Returns the item that an example of this task was made from."""
        return self._items[example.index]

    def example(self, index: int) -> Example:
        """Returns the example with this index, 0 <= index < num_examples."""
        item = self._items[index]
        reference = self._tokenizer.encode_completion(item.targets[0])[: self.max_new_tokens]
        prompt = self._tokenizer.encode_prompt(item.shown)
        return Example(prompt, reference, item.targets, index, item.columns, item.image)

    def example_of(self, prompt: str) -> Example:
        """Returns an example without targets for a caller's own prompt, which is not shortened."""
        return Example(self._tokenizer.encode_prompt(prompt), np.zeros(0, np.int64))

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the text contains a line end."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns the example's options; those of example 0 for a caller's own prompt."""
        return [Option(text) for text in self._options[max(example.index, 0)]]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode, since one line completes it."""
        return Response()

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the first target, or an empty text for a caller's own prompt."""
        return example.targets[0] if example.targets else ""

    def _short_items(self, items: Sequence[CompletionItem], dataset: str) -> list[CompletionItem]:
        encode_prompt, encode = self._tokenizer.encode_prompt, self._tokenizer.encode_completion
        overhead = self._tokenizer.prompt_overhead
        lengths = {
            "prompt_tokens": [len(encode_prompt(item.shown)) - overhead for item in items],
            "max_new_tokens": [len(encode(item.targets[0])) for item in items],
        }
        longest = self.prompt_tokens - overhead
        limits = {"prompt_tokens": longest, "max_new_tokens": self.max_new_tokens}
        return drop_too_long(items, lengths, limits, dataset)


def _single_line(item: CompletionItem) -> CompletionItem:
    if item.verify is not None:  # a verifier may need the line ends of its own answer
        return item
    targets = tuple(one_line(target) for target in item.targets)
    return item if targets == item.targets else replace(item, targets=targets)


def _merge_same_prompts(items: Sequence[CompletionItem]) -> list[CompletionItem]:
    """Returns one item for each prompt, with the targets of all; the rest is that of the first.

    An image counts as a part of the prompt.

    Otherwise a target of one item would be a wrong option of another with the same prompt.
    """
    merged: dict[object, CompletionItem] = {}
    for number, item in enumerate(items):
        # A verifier knows the answers to its own question only.
        shown = None if item.image is None else item.image.tobytes()
        key = (to_nfc(item.prompt), shown) if item.verify is None else number
        first = merged.get(key)
        if first is not None:
            item = replace(first, targets=tuple(dict.fromkeys((*first.targets, *item.targets))))
        merged[key] = item
    return list(merged.values())
