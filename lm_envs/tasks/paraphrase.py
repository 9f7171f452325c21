"""Paraphrase: the same in other words, toward a target."""

from collections.abc import Mapping

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import column_names, read_rows
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"chrf": 1.0, "exact_match": 0.0}
LANGUAGES = ("en", "zh")


class Paraphrase(CompletionTask):
    """Write a sentence in other words; judged by likeness to a target.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded" (English and Chinese pairs), a .jsonl, .csv or .tsv file, or a hub
            dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        columns: Field of the text and of the target or targets, where they have other
            names than "text", "target". Line ends in a target count as spaces.
        language: "en" or "zh" of the embedded pairs; None for both.
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
        columns: Mapping[str, str] | None = None,
        language: str | None = None,
        prompt_tokens: int = 40,
        max_new_tokens: int = 36,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        check_choice("language", language, (None, *LANGUAGES))
        names = column_names(columns, "text", "target")
        where = {"language": language} if language else {}
        rows = read_rows(dataset, split, names, "paraphrase", where)
        lines = [
            CompletionItem(
                prompt_templates.paraphrase(row["text"][0], "")[0], row["target"], _language(row)
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
        )


def _language(row: Mapping[str, tuple[str, ...]]) -> str:
    return "zh" if row["target"][0][0] > "\u2e80" else "en"
