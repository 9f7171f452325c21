"""Translation from English: terms, phrases and sentences."""

from collections.abc import Mapping

from lm_envs.checks import check_choice
from lm_envs.tasks import templates
from lm_envs.tasks.examples import column_names, read_rows
from lm_envs.tasks.line import Line, LineTask
from lm_envs.tokenizer import Tokenizer

DEFAULT_REWARDS = {"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0}
KINDS = (
    *("currencies", "languages", "territories", "unit", "relative time", "date", "money"),
    *("list", "sentence"),
)
"""What the embedded pairs are, from single terms to sentences."""


class Translation(LineTask):
    """Write a text in another language; judged by likeness to its translation.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded" (English to French and Chinese, from the Unicode CLDR), a .jsonl, .csv
            or .tsv file, or a hub dataset.
        split: "train", "validation" or "test".
        pair: "en-fr" or "en-zh"; of files, any two of `templates.LANGUAGES`.
        kind: One of `KINDS` of the embedded pairs; None for all.
        columns: Field of the source and of the translation or translations, where they have other
            names than "source", "target".
        prompt_tokens: Most tokens in a prompt.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        pair: str = "en-fr",
        kind: str | None = None,
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int = 48,
        max_new_tokens: int = 36,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        languages = list(templates.LANGUAGES)
        check_choice("pair", pair, [f"{a}-{b}" for a in languages for b in languages if a != b])
        check_choice("kind", kind, (None, *KINDS))
        names = column_names(columns, "source", "target")
        where = {"pair": pair} | ({"kind": kind} if kind else {})
        rows = read_rows(dataset, split, names, "translation", where)
        lines = [
            Line(templates.translation(row["source"][0], "", pair)[0], row["target"])
            for row in rows
        ]
        super().__init__(
            tokenizer,
            lines,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            rewards=DEFAULT_REWARDS if rewards is None else rewards,
        )
