"""Classification: write the label of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import EMBEDDED, Row
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tasks.rewards.text_normalization import normalize_label, one_line
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_number

DEFAULT_REWARDS = {"accuracy": 1.0}
COST = "cost"
KINDS = ("topic", "language", "sentiment")

Costs = Mapping[str, Mapping[str, float]]
"""Cost by the correct label and the written label."""


class Classification(CompletionTask):
    """Write the label of a text; scored by whether it is correct, or by the cost of the mistake.

    Prompt: "Text: …", then the kind of label, such as "Topic:", on the next line.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: `cost` is 0 for a correct label, and otherwise the entry in `costs`, or 1 if there is
    none; the smallest of them if a text has several correct labels. `DEFAULT_REWARDS` pays
    accuracy.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded", a .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        kind: "topic", "language" or "sentiment" of the embedded texts; for files, the word before
            the label in the prompt.
        columns: Field of the text and of the label or labels, if they have other names than "text",
            "label". Line ends in a label count as spaces.
        costs: Cost of writing one label where another is correct, {correct: {written: cost}}.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
    """

    column_names = ("text", "label")
    embedded_name = "classification"
    default_rewards = DEFAULT_REWARDS
    task_scores: tuple[str, ...] = (COST,)

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        kind: str = "topic",
        columns: Mapping[str, str] | None = None,
        costs: Costs | None = None,
        prompt_tokens: int = 224,
        max_new_tokens: int = 4,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        if dataset == EMBEDDED:
            check_choice("kind", kind, KINDS)
        SplitSpec.parse(split)  # before the whole file is read for its labels
        self._kind = kind
        self._labels = self._read_labels(dataset, columns)
        _check_costs(costs or {}, self._labels)
        self._costs = {
            normalize_label(correct): {normalize_label(label): row[label] for label in row}
            for correct, row in (costs or {}).items()
        }
        super().__init__(
            tokenizer,
            dataset=dataset,
            split=split,
            columns=columns,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            shots=shots,
            rewards=rewards,
        )

    def row_filters(self) -> Mapping[str, str]:
        """Returns the kind of label."""
        return {"kind": self._kind}

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a text and its labels."""
        prompt, _ = prompt_templates.classification(row.text("text"), "", self._kind)
        return CompletionItem(prompt, tuple(label.strip() for label in row.texts["label"]))

    def make_options(self, items: Sequence[CompletionItem]) -> list[tuple[str, ...]]:
        """Returns the labels of all splits for each item, so that a label is always one action."""
        return [self._labels] * len(items)

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode and computes the cost; a caller's own prompt has none."""
        response = super().respond(example, turns)
        if not example.targets:
            return response
        written = normalize_label(turns[-1])
        cost = min(self._cost(normalize_label(correct), written) for correct in example.targets)
        return replace(response, task_scores={COST: cost})

    def _cost(self, correct: str, written: str) -> float:
        return self._costs.get(correct, {}).get(written, float(written != correct))

    def _read_labels(self, dataset: str, columns: Mapping[str, str] | None) -> tuple[str, ...]:
        rows = self.read_rows(dataset, None, columns)
        found = {one_line(label).strip() for row in rows for label in row.texts["label"]}
        labels = tuple(sorted(found))
        by_key: dict[str, str] = {}
        for label in labels:
            other = by_key.setdefault(normalize_label(label), label)
            if other != label:  # the score could not tell them apart
                raise ValueError(
                    f"Got labels {other!r} and {label!r} in {dataset}, which differ only in case or"
                    " Unicode form; allowed: one spelling of each label. Write them alike."
                )
        return labels


def _check_costs(costs: Costs, labels: Sequence[str]) -> None:
    for correct, row in costs.items():
        check_choice("label in costs", correct, labels)
        for written, cost in row.items():
            check_choice("label in costs", written, labels)
            check_number(f"cost of {written!r} for {correct!r}", cost)
