"""Classification: write the label of a text, which is shown at once or while it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.data.word_prefixes import word_prefixes
from lm_envs.tasks.datasets import EMBEDDED, Row
from lm_envs.tasks.rewards.label_costs import Costs, LabelCosts, parsed_cost
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tasks.rewards.text_normalization import normalize_label, one_line
from lm_envs.tasks.rewards.text_scores import accuracy
from lm_envs.tasks.simulators.reading import READ, Reading
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"accuracy": 1.0}
SEQUENTIAL_REWARDS = {"accuracy": 1.0, "read": -0.3}
ACCURACY, COST = "accuracy", "cost"
MODES = ("whole", "sequential")
PROMPT_TOKENS = {"whole": 224, "sequential": 208}
"""Default of `prompt_tokens`; the embedded model has room for less where the text is read."""

KINDS = ("topic", "language", "sentiment")


class Classification(CompletionTask):
    """Write the label of a text; scored by whether it is correct, or by the cost of the mistake.

    Prompt: "Text: …", then the kind of label, such as "Topic:", on the next line. In the mode
    "sequential" the text is its first words only. As long as there are more, the line "read" shows
    the next ones; any other line is the label.
    Episode end: terminates at the first line end (in the mode "sequential", of the label), the
    end-of-text token or the token budget.
    Scores: `cost` is 0 for a correct label, and otherwise the entry in `costs`, or 1 if there is
    none; the smallest of them if a text has several correct labels. In the mode "sequential" also
    `accuracy` of the label, and `read`, the share of the text's words that were shown.
    `DEFAULT_REWARDS` pays accuracy; `SEQUENTIAL_REWARDS` takes 0.3 for a text that is read whole.

    Source: Dulac-Arnold et al. 2011, https://arxiv.org/abs/1107.1322 (mode "sequential").

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded", a .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        kind: "topic", "language" or "sentiment" of the embedded texts; for files, the word before
            the label in the prompt.
        mode: "whole", or "sequential".
        first_words: Words that are shown at the start, in the mode "sequential". A CJK character is
            a word.
        read_words: Words that "read" shows beside the earlier ones.
        columns: Field of the text and of the label or labels, if they have other names than "text",
            "label". Line ends in a label count as spaces. "cost" names the field of a number that
            multiplies the cost of a mistake on this text.
        costs: Cost of writing one label where another is correct, {correct: {written: cost}}.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top. Default 224, and 208 in the mode
            "sequential".
        max_new_tokens: Token budget of an episode; in the mode "sequential" that of the label,
            beside the tokens of the lines "read".
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, and `SEQUENTIAL_REWARDS` in the
            mode "sequential".

    Attributes:
        labels: The labels of all splits, in alphabetical order.
        is_sequential: Whether the mode is "sequential".
    """

    column_names = ("text", "label")
    embedded_name = "classification"
    default_rewards: Mapping[str, float] = DEFAULT_REWARDS
    task_scores: tuple[str, ...] = (COST,)

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        kind: str = "topic",
        mode: str = "whole",
        first_words: int = 1,
        read_words: int = 1,
        columns: Mapping[str, str] | None = None,
        costs: Costs | None = None,
        prompt_tokens: int | None = None,
        max_new_tokens: int = 4,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        if dataset == EMBEDDED:
            check_choice("kind", kind, KINDS)
        SplitSpec.parse(split)  # before the whole file is read for its labels
        self._kind, self._dataset, self._columns = kind, dataset, columns
        self._reading = self._checked_reading(mode, first_words, read_words)
        self._texts, self._factors = dict[str, str](), dict[str, float]()  # by prompt
        if COST in (columns or {}):
            self.column_names = (*self.column_names, COST)
        rows = self.read_rows(dataset, None, columns)
        self.labels = self._checked_labels(rows)
        self._costs = LabelCosts(costs, self.labels)
        super().__init__(
            tokenizer,
            dataset=dataset,
            split=split,
            columns=columns,
            prompt_tokens=PROMPT_TOKENS[mode] if prompt_tokens is None else prompt_tokens,
            max_new_tokens=max_new_tokens,
            shots=shots,
            rewards=rewards,
        )
        if self._reading is not None:
            self._make_room(self._reading, rows, tokenizer)

    @property
    def is_sequential(self) -> bool:
        """Whether the mode is "sequential"."""
        return self._reading is not None

    @property
    def label_costs(self) -> np.ndarray:
        """Costs (L, L) of writing a label (column) where a label (row) is correct."""
        return self._costs.matrix(self.labels)

    def row_filters(self) -> Mapping[str, str]:
        """Returns the kind of label."""
        return {"kind": self._kind}

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a text and its labels, and stores what mistakes on it cost."""
        text = row.text("text")
        prompt = self._prompt(text)
        if self.is_sequential:
            self._texts[prompt] = text
        if COST in row.texts:
            self._factors[prompt] = parsed_cost(row.text(COST), row.location)
        return CompletionItem(prompt, tuple(label.strip() for label in row.texts["label"]))

    def make_options(self, items: Sequence[CompletionItem]) -> list[tuple[str, ...]]:
        """Returns the labels of all splits for each item, so that a label is always one action."""
        lines = (*self.labels, READ) if self.is_sequential else self.labels
        return [lines] * len(items)

    def example(self, index: int) -> Example:
        """Returns the example with this index; in the mode "sequential" with its first words."""
        example = super().example(index)
        if self._reading is None:
            return example
        return replace(example, prompt=self._tokenizer.encode_prompt(self._context(example, 0)))

    def example_of(self, prompt: str) -> Example:
        """Returns an example without targets for a caller's own prompt.

        Raises:
            ValueError: In the mode "sequential", where the words to read have to be known.
        """
        if self.is_sequential:
            raise ValueError(
                f"Got prompt {prompt!r} in the mode 'sequential'; select an example by 'index'."
            )
        return super().example_of(prompt)

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the text has a line end, or is "read" in the mode "sequential"."""
        is_reading = self.is_sequential and normalize_label(text) == READ
        return is_reading or super().is_turn_over(text)

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns the labels, and in the mode "sequential" the line "read" after them.

        "read" has an effect as long as there are more words.
        """
        lines = super().options(example, turns)
        if self._reading is None:
            return lines
        has_more = not self._reading.is_complete(self._prefixes(example), len(turns))
        return [*lines[:-1], Option(READ, has_more)]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode and computes the scores, or shows more words.

        A caller's own prompt has no scores.
        """
        if self._reading is not None:
            return self._respond_reading(self._reading, example, turns)
        scores = {COST: self._cost(example, turns[-1])} if example.targets else {}
        return Response(task_scores=scores)

    def shown_texts(self, example: Example) -> tuple[str, ...]:
        """Returns what is shown of the text of an example after 0, 1, … lines "read"."""
        assert self._reading is not None
        return self._reading.stages(self._prefixes(example))

    def read_shares(self, example: Example) -> np.ndarray:
        """Returns the share of the words (T,) that is shown after 0, 1, … lines "read"."""
        assert self._reading is not None
        prefixes = self._prefixes(example)
        readings = range(len(self._reading.stages(prefixes)))
        return np.array([self._reading.share(prefixes, each) for each in readings])

    def labeled_texts(self, split: str) -> list[tuple[str, tuple[str, ...]]]:
        """Returns the first label of each text of any split, and its `shown_texts`."""
        assert self._reading is not None
        rows = self.read_rows(self._dataset, split, self._columns)
        return [
            (
                one_line(row.texts["label"][0]).strip(),
                self._reading.stages(word_prefixes(row.text("text"))),
            )
            for row in rows
        ]

    def _respond_reading(
        self, reading: Reading, example: Example, turns: Sequence[str]
    ) -> Response:
        """Shows more words after the line "read"; after any other line the episode is over."""
        prefixes, readings = self._prefixes(example), len(turns) - 1
        if normalize_label(turns[-1]) == READ and not reading.is_complete(prefixes, readings):
            scores = {ACCURACY: 0.0, READ: reading.share(prefixes, len(turns)), COST: 0.0}
            context = self._context(example, len(turns))
            return Response(False, context, scores, reading.new_words(prefixes, len(turns)))
        scores = {
            ACCURACY: accuracy(turns[-1], example.targets),
            READ: reading.share(prefixes, readings),
            COST: self._cost(example, turns[-1]),
        }
        return Response(task_scores=scores)

    def cost_factor(self, example: Example) -> float:
        """Returns the number that multiplies the cost of a mistake on an example; usually 1."""
        return self._factors.get(self.item(example).prompt, 1.0)

    def _cost(self, example: Example, written: str) -> float:
        return self.cost_factor(example) * self._costs.least(example.targets, written)

    def _prefixes(self, example: Example) -> list[str]:
        return word_prefixes(self._texts[self.item(example).prompt])

    def _context(self, example: Example, readings: int) -> str:
        """Returns the prompt with the words that are shown after some readings."""
        assert self._reading is not None
        shown = self._reading.shown(self._prefixes(example), readings)
        return self.item(example).solved_examples + self._prompt(shown)

    def _prompt(self, text: str) -> str:
        return prompt_templates.classification(text, "", self._kind)[0]

    def _checked_reading(self, mode: str, first_words: int, read_words: int) -> Reading | None:
        """Sets what depends on the mode; returns how fast texts are shown, None if at once."""
        check_choice("mode", mode, MODES)
        check_count("first_words", first_words)
        check_count("read_words", read_words)
        if mode != "sequential":
            return None
        self.task_scores = (ACCURACY, READ, COST)
        self.default_rewards = SEQUENTIAL_REWARDS
        return Reading(first_words, read_words)

    def _make_room(self, reading: Reading, rows: Sequence[Row], tokenizer: Tokenizer) -> None:
        """Sets the number of turns and the token budget for reading the longest text.

        It is the longest of all splits, so that observations have one scale in all of them; longer
        ones than a prompt may have are left out.
        """
        sizes = [len(word_prefixes(text)) - 1 for row in rows for text in row.texts["text"]]
        sizes += [len(word_prefixes(text)) - 1 for text in self._texts.values()]
        readings = reading.most_readings(min(max(sizes), self.prompt_tokens))
        self.max_turns = 1 + readings
        self.max_new_tokens += readings * len(tokenizer.encode_completion(READ))
        self.context_tokens = self.prompt_tokens + self.max_new_tokens

    def _checked_labels(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Returns the labels of rows in alphabetical order.

        Raises:
            ValueError: If two of them have the same score, or one begins with "read".
        """
        found = {one_line(label).strip() for row in rows for label in row.texts["label"]}
        labels = tuple(sorted(found))
        by_key: dict[str, str] = {}
        for label in labels:
            other = by_key.setdefault(normalize_label(label), label)
            if other != label:  # the score could not tell them apart
                raise ValueError(
                    f"Got labels {other!r} and {label!r} in {self._dataset}, which differ only in "
                    "case or Unicode form; allowed: one spelling of each label. Write them alike."
                )
        reading = [label for key, label in by_key.items() if key.startswith(READ)]
        if self.is_sequential and reading:
            raise ValueError(
                f"Got label {reading[0]!r} in {self._dataset} with mode='sequential', where "
                f"{READ!r} shows more words; allowed: labels that do not begin so. Rename it."
            )
        return labels
