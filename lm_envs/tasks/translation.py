"""Translation from English: terms, phrases and sentences."""

from collections.abc import Mapping

import numpy as np

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import column_names, read_rows
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0}
MODES = ("whole", "simultaneous")
LAGGING = "lagging"
LAGGING_WEIGHT = -0.05
"""Of each source word that a simultaneous translation lags behind, by default."""
KINDS = (
    *("currencies", "languages", "territories", "unit", "relative time", "date", "money"),
    *("list", "sentence"),
)
"""What the embedded pairs are, from single terms to sentences."""


class Translation(CompletionTask):
    """Write a text in another language; judged by likeness to its translation.

    In the mode "simultaneous" the text is heard word by word, and the task has a score of its own,
    `lagging`: the average lagging behind the speaker, in source words.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded" (English to French and Chinese, from the Unicode CLDR), a .jsonl, .csv
            or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        pair: "en-fr" or "en-zh"; of files, any two of `prompt_templates.LANGUAGES`.
        kind: One of `KINDS` of the embedded pairs; None for all.
        mode: "whole", or "simultaneous".
        columns: Field of the source and of the translation or translations, where they have other
            names than "source", "target". Line ends in a translation count as spaces.
        prompt_tokens: Most tokens in a prompt; examples with longer ones are left out.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, and in the mode "simultaneous"
            `LAGGING_WEIGHT` for lagging.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        pair: str = "en-fr",
        kind: str | None = None,
        mode: str = "whole",
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int = 48,
        max_new_tokens: int = 36,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        languages = list(prompt_templates.LANGUAGES)
        check_choice("pair", pair, [f"{a}-{b}" for a in languages for b in languages if a != b])
        check_choice("kind", kind, (None, *KINDS))
        check_choice("mode", mode, MODES)
        self.is_simultaneous = mode == "simultaneous"
        self.required_actions = "read_write" if self.is_simultaneous else None
        lagging = {LAGGING: LAGGING_WEIGHT} if self.is_simultaneous else {}
        self._pair = pair
        names = column_names(columns, "source", "target")
        where = {"pair": pair} | ({"kind": kind} if kind else {})
        rows = read_rows(dataset, split, names, "translation", where)
        self._sources = {self._prompt(row["source"][0]): row["source"][0].split() for row in rows}
        lines = [CompletionItem(self._prompt(row["source"][0]), row["target"]) for row in rows]
        super().__init__(
            tokenizer,
            lines,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            dataset=dataset,
            rewards={**DEFAULT_REWARDS, **lagging} if rewards is None else rewards,
            task_scores=tuple(lagging),
        )

    def example_of(self, prompt: str) -> Example:
        """A caller's prompt, whole; refused where it would have to be heard word by word.

        Raises:
            ValueError: In the mode "simultaneous".
        """
        if self.is_simultaneous:
            raise ValueError(
                f"Got prompt {prompt!r} for a simultaneous translation; pin an example by 'index'."
            )
        return super().example_of(prompt)

    def num_source_words(self, example: Example) -> int:
        """How many words there are to hear."""
        return len(self._source(example))

    def source_prefix(self, example: Example, count: int) -> np.ndarray:
        """The prompt (P,) of the first `count` words."""
        return self._tokenizer.encode(self._prompt(" ".join(self._source(example)[:count])))

    def _source(self, example: Example) -> list[str]:
        return self._sources[self._lines[example.index].prompt]

    def _prompt(self, source: str) -> str:
        return prompt_templates.translation(source, "", self._pair)[0]
