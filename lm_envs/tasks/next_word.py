"""Next-word generation: continue a passage of prose token by token."""

from collections.abc import Sequence

import numpy as np

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.datasets import read_rows
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count

DEFAULT_REWARDS = {"fluency": 1.0, "repetition": -1.0, "overlap": 0.5}


class NextWord:
    """Continue a passage; scored by fluency, variety and similarity to its original continuation.

    Prompt: the first tokens of a passage.
    Episode end: terminates at the end-of-text token or the token budget.
    Scores: none of its own; `DEFAULT_REWARDS` pays fluency and overlap, and penalizes repetition.

    Args:
        tokenizer: Encodes and decodes passages.
        dataset: "embedded", a .txt, .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; whole
            documents of the embedded prose are held out.
        column: Field of the passages in a file or dataset with several fields.
        prompt_tokens: Number of tokens in the text of a prompt, but at most half of the passage.
            First tokens or a chat template come on top. With 0 the text begins after them, or after
            the end-of-text token where there are none: every prompt is the same.
        max_new_tokens: Token budget of an episode.
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
        rewards: Weights | None = None,
    ) -> None:
        check_count("prompt_tokens", prompt_tokens, least=0)
        check_count("max_new_tokens", max_new_tokens)
        self._text_tokens = prompt_tokens
        self.prompt_tokens = max(1, prompt_tokens + tokenizer.prompt_overhead)
        self.max_new_tokens = max_new_tokens
        self.context_tokens = self.prompt_tokens + max_new_tokens
        self.reward = Reward(dict(DEFAULT_REWARDS if rewards is None else rewards))
        self._tokenizer = tokenizer
        rows = read_rows(dataset, split, {"text": column}, "prose")
        self._passages = [(row.text("text"), row.columns) for row in rows]
        self.num_examples = len(self._passages)

    def example(self, index: int) -> Example:
        """Returns beginning and continuation of the passage with this index."""
        text, columns = self._passages[index]
        tokens = self._tokenizer.encode_start(text)
        prompt, cut = self._cut_prompt(tokens, max(1, len(tokens) // 2))
        continuation = tokens[cut : cut + self.max_new_tokens].copy()
        target = self._tokenizer.decode(continuation).strip()
        return Example(prompt, continuation, (target,), index, columns)

    def example_of(self, prompt: str) -> Example:
        """Returns an example without targets for a caller's own prompt, which is not shortened."""
        return Example(self._tokenizer.encode_prompt(prompt), np.zeros(0, np.int64))

    def _cut_prompt(self, tokens: np.ndarray, most: int) -> tuple[np.ndarray, int]:
        """Returns the ids of a prompt and how many of a passage's `tokens` its text has.

        Raises:
            ValueError: If a chat template takes more tokens around this text than around another.
        """
        cut = min(self._text_tokens, most)
        # A copy, so that the example does not keep the whole passage alive.
        prompt = self._tokenizer.prompt_from(tokens[:cut].copy())
        if not len(prompt):  # in pretraining a text follows the end of another one
            prompt = self._tokenizer.end_tokens[:1]
        # A text may take more tokens inside a chat template, where it is encoded again.
        while len(prompt) > self.prompt_tokens:
            excess = len(prompt) - self.prompt_tokens
            if excess >= cut:
                raise ValueError(
                    f"Got prompt_tokens={self._text_tokens}; allowed: more, because the chat "
                    f"template takes {excess} more tokens around a text of the dataset than around "
                    "a short one. Raise it."
                )
            cut -= excess
            prompt = self._tokenizer.prompt_from(tokens[:cut].copy())
        return prompt, cut

    def is_turn_over(self, text: str) -> bool:
        """Returns False: prose ends at the end-of-text token or the budget."""
        return False

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns no options: prose is written token by token."""
        return ()

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode."""
        return Response()

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the original continuation, or an empty text for a caller's own prompt."""
        return example.targets[0] if example.targets else ""
