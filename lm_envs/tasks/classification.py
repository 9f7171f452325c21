"""Classification: the label of a text, written as a word by the model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import column_names, read_rows
from lm_envs.tasks.rewards.text_scores import label_of
from lm_envs.tasks.splits import Part
from lm_envs.tasks.text_normalization import one_line
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_number

DEFAULT_REWARDS = {"accuracy": 1.0}
COST = "cost"
KINDS = ("topic", "language", "sentiment")


class Classification(CompletionTask):
    """Write the label of a text; judged by whether it is right, or by what the mistake costs.

    The task's own score `cost` is 0 for a right label, and for another what `costs` says, or 1; the
    least of them where a text has several right labels.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded", a .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        kind: "topic", "language" or "sentiment" of the embedded texts; of files, the word that asks
            for the label.
        columns: Field of the text and of the label, where they have other
            names than "text", "label". Line ends in a label count as spaces.
        costs: What it costs to write one label where another is right, {right: {written: cost}}.
        prompt_tokens: Most tokens in a prompt; examples with longer ones are left out.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        kind: str = "topic",
        columns: Mapping[str, str] | None = None,
        costs: Mapping[str, Mapping[str, float]] | None = None,
        prompt_tokens: int = 224,
        max_new_tokens: int = 4,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        if dataset == "embedded":
            check_choice("kind", kind, KINDS)
        names = column_names(columns, "text", "label")
        Part.parse(split)  # before all splits are read for their labels
        every = read_rows(dataset, None, names, "classification", {"kind": kind})
        labels = sorted(
            {one_line(label) for row in every for label in row["label"]}
        )  # an action each
        rows = read_rows(dataset, split, names, "classification", {"kind": kind})
        _check_costs(costs or {}, labels)
        self._costs = {
            label_of(right): {label_of(written): cost for written, cost in row.items()}
            for right, row in (costs or {}).items()
        }
        lines = [
            CompletionItem(
                prompt_templates.classification(row["text"][0], "", kind)[0], row["label"]
            )
            for row in rows
        ]
        super().__init__(
            tokenizer,
            lines,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            dataset=dataset,
            rewards=DEFAULT_REWARDS if rewards is None else rewards,
            task_scores=(COST,),
            labels=labels,
        )

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """What the label costs."""
        response = super().respond(example, turns)
        if not example.targets:
            return response
        written = label_of(turns[-1])
        cost = min(self._cost(label_of(right), written) for right in example.targets)
        return replace(response, task_scores={COST: cost})

    def _cost(self, right: str, written: str) -> float:
        return self._costs.get(right, {}).get(written, float(written != right))


def _check_costs(costs: Mapping[str, Mapping[str, float]], labels: Sequence[str]) -> None:
    for right, row in costs.items():
        check_choice("label in costs", right, labels)
        for written, cost in row.items():
            check_choice("label in costs", written, labels)
            check_number(f"cost of {written!r} for {right!r}", cost)
