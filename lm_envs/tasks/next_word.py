"""Next-word generation: continue a passage of prose, one word at a time."""

from collections.abc import Mapping, Sequence

import numpy as np

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.datasets import read_texts
from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count

DEFAULT_REWARDS = {"fluency": 1.0, "repetition": -1.0, "overlap": 0.5}


class NextWord:
    """Continue the beginning of a passage; judged by fluency, variety and likeness to the rest.

    Args:
        tokenizer: Cuts passages into tokens.
        dataset: "embedded", a .txt, .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; of the
            embedded prose whole documents are held out.
        column: Field of the passages in a file or dataset with several.
        prompt_tokens: How much of the passage is the prompt; at most half of a short one.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Raises:
        ValueError: If an argument is out of range, or the dataset cannot be read.
    """

    max_turns = 1
    num_options = 0
    task_scores = ()

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        column: str = "text",
        prompt_tokens: int = 16,
        max_new_tokens: int = 24,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        check_count("prompt_tokens", prompt_tokens)
        check_count("max_new_tokens", max_new_tokens)
        self.prompt_tokens = prompt_tokens
        self.max_new_tokens = max_new_tokens
        self.context_tokens = prompt_tokens + max_new_tokens
        self.reward = Reward(dict(DEFAULT_REWARDS if rewards is None else rewards))
        self._tokenizer = tokenizer
        self._texts = read_texts(dataset, split, column)
        self.num_examples = len(self._texts)

    def example(self, index: int) -> Example:
        """Beginning and continuation of a passage."""
        tokens = self._tokenizer.encode(self._texts[index])
        cut = min(self.prompt_tokens, max(1, len(tokens) // 2))
        rest = tokens[cut : cut + self.max_new_tokens].copy()
        return Example(tokens[:cut], rest, (self._tokenizer.decode(rest).strip(),), index)

    def example_of(self, prompt: str) -> Example:
        """A caller's prompt, whole; there is no reference."""
        return Example(self._tokenizer.encode(prompt), np.zeros(0, np.int64))

    def is_turn_over(self, text: str) -> bool:
        """Never: prose ends with the end of text or the budget."""
        return False

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """None: prose is written word by word."""
        return ()

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Nothing."""
        return Response()

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """How the passage goes on."""
        return example.targets[0] if example.targets else ""
