"""Paraphrase: rewrite a sentence in other words."""

from collections.abc import Mapping, Sequence

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.data.solved_examples import drawn_examples
from lm_envs.tasks.datasets import EMBEDDED, Row, read_rows
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"chrf": 1.0, "exact_match": 0.0}
LANGUAGES = ("en", "zh")

FILLINGS, RULES = "fillings", "rules"
RULE = "rule"
"""Field of a row that names its rule."""


class Paraphrase(CompletionTask):
    """Write a sentence in other words; scored by similarity to a target.

    Prompt: "Text: …", then "Paraphrase:" on the next line.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: none of its own; `DEFAULT_REWARDS` pays chrF and logs exact matches.

    The embedded pairs are made by rules, such as "X is too expensive" to "X costs too much", from
    word lists. Held out are fillings of rules that all splits have; or rules: each of them is in
    one split, and the embedded model has read none of them.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (English and Chinese pairs), a .jsonl, .csv or .tsv file, or a hub
            dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        columns: Field of the text and of the target or targets, if they have other names than
            "text", "target". Line ends in a target count as spaces.
        language: "en" or "zh" of the embedded pairs; None for both.
        held_out: "fillings", or "rules" for English pairs by rules that no other split has. Which
            rule is meant, `shots` show.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself; with held-out rules solved examples of the same rule,
            which share no word of its lists with the text. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Attributes:
        shows_rules: Whether the solved examples before a text are made by its rule.
    """

    column_names = ("text", "target")
    embedded_name = "paraphrase"
    default_rewards = DEFAULT_REWARDS

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        columns: Mapping[str, str] | None = None,
        language: str | None = None,
        held_out: str = FILLINGS,
        prompt_tokens: int = 40,
        max_new_tokens: int = 36,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        check_choice("language", language, (None, *LANGUAGES))
        check_choice("held_out", held_out, (FILLINGS, RULES))
        if held_out == RULES and (dataset != EMBEDDED or language == "zh" or columns):
            raise ValueError(
                f"Got held_out={held_out!r} with dataset={dataset!r}, language={language!r} and "
                f"columns={columns!r}; allowed: the embedded pairs in English. Leave these out."
            )
        self._language, self._has_rules = language, held_out == RULES
        if self._has_rules:
            self.embedded_name = "paraphrase_rules"
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
        self.shows_rules = self._has_rules and shots > 0

    def row_filters(self) -> Mapping[str, str]:
        """Returns the chosen language, if there is one; of rules, what is not a solved example."""
        if self._has_rules:
            return {"shown": "no"}
        return {"language": self._language} if self._language else {}

    def make_solved_examples(
        self,
        items: Sequence[CompletionItem],
        shots: int,
        dataset: str,
        split: str,
        columns: Mapping[str, str] | None,
    ) -> list[str]:
        """Returns the text before each prompt; with held-out rules, examples of its rule."""
        if not self._has_rules:
            return super().make_solved_examples(items, shots, dataset, split, columns)
        names = {name: name for name in (*self.column_names, RULE)}
        pools: dict[str, dict[str, str]] = {}
        whole = SplitSpec.parse(split).name
        for row in read_rows(EMBEDDED, whole, names, self.embedded_name):
            if "shown" in row.columns:
                item = self.make_item(row)
                pools.setdefault(row.text(RULE), {})[item.prompt] = item.targets[0]
        return [drawn_examples(item.prompt, pools[item.columns[RULE]], shots) for item in items]

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a pair; its group is the language of the target."""
        prompt, _ = prompt_templates.paraphrase(row.text("text"), "")
        return CompletionItem(prompt, row.texts["target"], _language(row.texts["target"][0]))


def _language(text: str) -> str:
    # From U+2E80 on Unicode holds mainly CJK scripts.
    return "zh" if text[0] > "\u2e80" else "en"
