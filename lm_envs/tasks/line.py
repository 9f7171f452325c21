"""One line to write after a prompt: what paraphrase, questions, translation and labels share.

Owns the rows of a task as prompts, targets and options. Knows nothing of where they come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lm_envs.checks import check_count
from lm_envs.tasks.reward import Reward
from lm_envs.tasks.task import Example, Option, Response
from lm_envs.tokenizer import Tokenizer

NUM_OPTIONS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to write.

    Attributes:
        prompt: All the text before it.
        targets: What a reader would hope for, any of them.
        options: Lines to choose from, one of the targets among them.
    """

    prompt: str
    targets: tuple[str, ...]
    options: tuple[str, ...] = ()


class LineTask:
    """Write one line; the episode is over at its end, or where the model ends the text.

    Args:
        tokenizer: Cuts texts into tokens.
        lines: What there is to write.
        prompt_tokens: Most tokens in a prompt; examples with longer ones are left out.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score.
        marks: Names of the task's own scores.

    Raises:
        ValueError: If an argument is out of range, or no example is short enough.
    """

    max_turns = 1

    def __init__(
        self,
        tokenizer: Tokenizer,
        lines: Sequence[Line],
        *,
        prompt_tokens: int,
        max_new_tokens: int,
        rewards: Mapping[str, float],
        marks: tuple[str, ...] = (),
    ) -> None:
        check_count("prompt_tokens", prompt_tokens)
        check_count("max_new_tokens", max_new_tokens)
        self.prompt_tokens, self.max_new_tokens = prompt_tokens, max_new_tokens
        self.context_tokens = prompt_tokens + max_new_tokens
        self.marks = marks
        self.reward = Reward(rewards, marks)
        self._tokenizer = tokenizer
        options = {text for line in lines for text in line.options}  # many lines share them
        sizes = {text: len(tokenizer.encode(f" {text}")) for text in options}
        self._lines = [line for line in lines if self._fits(line, sizes)]
        if not self._lines:
            raise ValueError(
                f"Got no example whose prompt has at most prompt_tokens={prompt_tokens} tokens and "
                f"whose options have at most max_new_tokens={max_new_tokens}; raise them."
            )
        self.num_examples = len(self._lines)
        self.num_options = len(self._lines[0].options)

    def example(self, index: int) -> Example:
        """The example of that number."""
        line = self._lines[index]
        reference = self._tokenizer.encode(f" {line.targets[0]}")[: self.max_new_tokens]
        return Example(self._tokenizer.encode(line.prompt), reference, line.targets, index)

    def example_of(self, prompt: str) -> Example:
        """A caller's prompt, whole; there is no target."""
        return Example(self._tokenizer.encode(prompt), np.zeros(0, np.int64))

    def is_turn_over(self, text: str) -> bool:
        """At the end of the line."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """The example's options; those of the first example for a caller's own prompt."""
        line = self._lines[max(example.index, 0)]
        return [Option(text) for text in line.options]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """The line is all there is to write."""
        return Response()

    def solution(self, example: Example, turns: Sequence[str]) -> str:
        """The first target."""
        return example.targets[0] if example.targets else ""

    def _fits(self, line: Line, sizes: Mapping[str, int]) -> bool:
        longest = max((sizes[text] for text in line.options), default=0)
        is_short = len(self._tokenizer.encode(line.prompt)) <= self.prompt_tokens
        return is_short and longest <= self.max_new_tokens


def with_distractors(
    targets: Sequence[tuple[str, ...]], groups: Sequence[str]
) -> list[tuple[str, ...]]:
    """Options for each target: the first of its texts among `NUM_OPTIONS` of the same group.

    The others are targets of other examples; which ones, and in which order they stand, depends on
    the example's place alone. Groups with too few different texts borrow from all.
    """
    pools: dict[str, list[str]] = {}
    for texts, group in zip(targets, groups, strict=True):
        pools.setdefault(group, []).append(texts[0])
    everything = sorted({texts[0] for texts in targets})
    unique = {group: sorted(set(pool)) for group, pool in pools.items()}
    options = []
    for number, (texts, group) in enumerate(zip(targets, groups, strict=True)):
        rng = np.random.default_rng((0, number))
        others = [text for text in unique[group] if text not in texts]
        if len(others) < NUM_OPTIONS - 1:
            others = [text for text in everything if text not in texts]
        size = min(NUM_OPTIONS - 1, len(others))
        chosen = [others[place] for place in rng.permutation(len(others))[:size]]
        chosen.insert(int(rng.integers(size + 1)), texts[0])
        options.append(tuple(chosen))
    return options
