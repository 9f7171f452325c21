"""Translation between two languages: terms, phrases and sentences."""

from collections.abc import Mapping

import numpy as np

from lm_envs.tasks import prompt_templates
from lm_envs.tasks.base import Example
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.data.word_prefixes import word_prefixes
from lm_envs.tasks.datasets import Row
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0}
MODES = ("whole", "simultaneous")
LAGGING = "lagging"
DIFFERENTIABLE_LAGGING = "differentiable_lagging"
LAGGING_REWARDS = {LAGGING: 0.0, DIFFERENTIABLE_LAGGING: -0.05}
"""Default weights of each source word that a simultaneous translation lags behind."""

KINDS = (
    *("currencies", "languages", "territories", "unit", "relative time", "date", "money"),
    *("list", "sentence"),
)
"""Kinds of the embedded pairs, from single terms to sentences."""


class Translation(CompletionTask):
    """Write a text in another language; scored by similarity to its translation.

    Prompt: "English: …", then "French:" on the next line. In the mode "simultaneous" it grows by
    one source word at a time.
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: in the mode "simultaneous" `lagging` and `differentiable_lagging`, the average lagging
    behind the speaker and its form that is never negative, in source words
    (`lm_envs.tasks.rewards.lagging`). `DEFAULT_REWARDS` pays chrF and logs BLEU and exact matches.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (English to French and Chinese, from the Unicode CLDR), a .jsonl, .csv
            or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]".
        pair: "en-fr" or "en-zh"; for files, any two of `prompt_templates.LANGUAGES`.
        kind: One of `KINDS` of the embedded pairs; None for all.
        mode: "whole", or "simultaneous".
        columns: Field of the source and of the translation or translations, if they have other
            names than "source", "target". Line ends in a translation count as spaces.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, and in the mode "simultaneous"
            also `LAGGING_REWARDS`.

    Attributes:
        is_simultaneous: Whether the mode is "simultaneous".
        required_actions: The only kind of actions that the mode works with; None for any kind.
    """

    column_names = ("source", "target")
    embedded_name = "translation"
    default_rewards: Mapping[str, float] = DEFAULT_REWARDS
    task_scores: tuple[str, ...] = ()

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
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        languages = list(prompt_templates.LANGUAGES)
        check_choice("pair", pair, [f"{a}-{b}" for a in languages for b in languages if a != b])
        check_choice("kind", kind, (None, *KINDS))
        check_choice("mode", mode, MODES)
        self._pair, self._kind = pair, kind
        self.is_simultaneous = mode == "simultaneous"
        self.required_actions = "read_write" if self.is_simultaneous else None
        if self.is_simultaneous:
            self.task_scores = tuple(LAGGING_REWARDS)
            self.default_rewards = DEFAULT_REWARDS | LAGGING_REWARDS
        self._source_prefixes: dict[str, list[str]] = {}  # by prompt
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
        """Returns the pair of languages, and the kind, if one was chosen."""
        return {"pair": self._pair} | ({"kind": self._kind} if self._kind else {})

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a pair, and stores the beginnings of its source."""
        source = row.text("source")
        prompt = self._prompt(source)
        self._source_prefixes[prompt] = word_prefixes(source)
        return CompletionItem(prompt, row.texts["target"])

    def example_of(self, prompt: str) -> Example:
        """Returns an example without targets for a caller's own prompt.

        Raises:
            ValueError: In the mode "simultaneous", where the source words have to be known.
        """
        if self.is_simultaneous:
            raise ValueError(
                f"Got prompt {prompt!r} for a simultaneous translation; "
                "select an example by 'index'."
            )
        return super().example_of(prompt)

    def num_source_words(self, example: Example) -> int:
        """Returns the number of words in the source; each CJK character is one."""
        return len(self._prefixes(example)) - 1

    def source_prefix(self, example: Example, count: int) -> np.ndarray:
        """Returns the prompt (P,) int64 with the first `count` words of the source only."""
        prefixes = self._prefixes(example)
        return self.prompt_of(example, prefixes[min(count, len(prefixes) - 1)])

    def unfinished_source(self, example: Example, count: int) -> tuple[np.ndarray, str]:
        """Returns the text that ends with the first words of a source, as ids and the words alone.

        Args:
            example: The example.
            count: Number of its first words, 1 or more.

        Returns:
            Ids (T,) int64 of the solved examples and the beginning of the prompt, and the words.
        """
        words = self._prefixes(example)[count]
        name = self._prompt("").partition(":")[0]
        solved = self.item(example).solved_examples
        return self._tokenizer.encode_prompt(f"{solved}{name}: {words}"), words

    def prompt_of(self, example: Example, source: str) -> np.ndarray:
        """Returns the prompt (P,) int64 of another source, after the example's solved examples."""
        solved = self.item(example).solved_examples
        return self._tokenizer.encode_prompt(solved + self._prompt(source))

    def source_word(self, example: Example, place: int) -> str:
        """Returns a word of the source with its punctuation; "" after the last one."""
        prefixes = self._prefixes(example)
        before, *after = prefixes[place : place + 2]
        return after[0].removeprefix(before).strip() if after else ""

    def _prefixes(self, example: Example) -> list[str]:
        return self._source_prefixes[self.item(example).prompt]

    def _prompt(self, source: str) -> str:
        return prompt_templates.translation(source, "", self._pair)[0]
