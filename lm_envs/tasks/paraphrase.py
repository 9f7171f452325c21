"""Paraphrase: rewrite a sentence in other words."""

from collections.abc import Mapping

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import Row
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"chrf": 1.0, "exact_match": 0.0}
LANGUAGES = ("en", "zh")


class Paraphrase(CompletionTask):
    """Write a sentence in other words; scored by similarity to a target.

    Prompt: "Text: …", then "Paraphrase:" on the next line.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: none of its own; `DEFAULT_REWARDS` pays chrF and logs exact matches.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (English and Chinese pairs), a .jsonl, .csv or .tsv file, or a hub
            dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        columns: Field of the text and of the target or targets, if they have other names than
            "text", "target". Line ends in a target count as spaces.
        language: "en" or "zh" of the embedded pairs; None for both.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
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
        prompt_tokens: int = 40,
        max_new_tokens: int = 36,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        check_choice("language", language, (None, *LANGUAGES))
        self._language = language
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
        """Returns the chosen language, if there is one."""
        return {"language": self._language} if self._language else {}

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a pair; its group is the language of the target."""
        prompt, _ = prompt_templates.paraphrase(row.text("text"), "")
        return CompletionItem(prompt, row.texts["target"], _language(row.texts["target"][0]))


def _language(text: str) -> str:
    # From U+2E80 on Unicode holds mainly CJK scripts.
    return "zh" if text[0] > "\u2e80" else "en"
