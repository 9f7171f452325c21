"""One line to write after a prompt: what paraphrase, questions, translation and labels share.

Owns the rows of a task as prompts, targets and options. Knows nothing of where they come from.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tasks.text_normalization import one_line
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count

EMBEDDED = "embedded"
"""The dataset of our own, of which a few lines are known to be too long."""

NUM_OPTIONS = 4


@dataclass(frozen=True, slots=True)
class CompletionItem:
    """One thing to write.

    Attributes:
        prompt: All the text before it.
        targets: What a reader would hope for, any of them. The end of a line ends what is written:
            line ends in targets count as spaces, unless a program verifies what is written.
        group: Lines of one group are told apart by the reader's knowledge, not by their kind.
        verify: What any line in place of the targets is worth, 0 to 1; None where nobody says.
    """

    prompt: str
    targets: tuple[str, ...]
    group: str = ""
    verify: Callable[[str], float] | None = None


class CompletionTask:
    """Write one line; the episode is over at its end, or where the model ends the text.

    Args:
        tokenizer: Cuts texts into tokens.
        lines: What there is to write; those whose prompt or first target is too long are left out,
            with a warning where they are a caller's own.
        prompt_tokens: Most tokens in a prompt.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score.
        dataset: Where the lines come from, by its name; "embedded" for our own.
        task_scores: Names of the task's own scores.
        labels: Lines to choose from in every example; default the first target among those of other
            examples.

    Raises:
        ValueError: If an argument is out of range, or no example is short enough.
    """

    max_turns = 1

    def __init__(
        self,
        tokenizer: Tokenizer,
        lines: Sequence[CompletionItem],
        *,
        prompt_tokens: int,
        max_new_tokens: int,
        rewards: Mapping[str, float],
        dataset: str = EMBEDDED,
        task_scores: tuple[str, ...] = (),
        labels: Sequence[str] = (),
    ) -> None:
        check_count("prompt_tokens", prompt_tokens)
        check_count("max_new_tokens", max_new_tokens)
        self.prompt_tokens, self.max_new_tokens = prompt_tokens, max_new_tokens
        self.context_tokens = prompt_tokens + max_new_tokens
        self.task_scores = task_scores
        self.reward = Reward(rewards, task_scores)
        self._tokenizer = tokenizer
        self._lines = self._fitting([_flat(line) for line in lines], dataset)
        if not self._lines:
            raise ValueError(
                f"Got no example whose prompt has at most prompt_tokens={prompt_tokens} tokens and "
                f"whose target has at most max_new_tokens={max_new_tokens}; raise them."
            )
        self._options = [tuple(labels)] * len(self._lines) if labels else _choices(self._lines)
        self.num_examples = len(self._lines)
        self.num_options = len(self._options[0])

    def example(self, index: int) -> Example:
        """The example of that number."""
        line = self._lines[index]
        reference = self._tokenizer.encode(f" {line.targets[0]}")[: self.max_new_tokens]
        return Example(self._tokenizer.encode(line.prompt), reference, line.targets, index)

    def example_of(self, prompt: str) -> Example:
        """A caller's prompt, whole; there is no target."""
        return Example(self._tokenizer.encode(prompt), np.zeros(0, np.int64))

    def line(self, example: Example) -> CompletionItem:
        """What an example of this task was made of."""
        return self._lines[example.index]

    def is_turn_over(self, text: str) -> bool:
        """At the end of the line."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """The example's options; those of the first example for a caller's own prompt."""
        return [Option(text) for text in self._options[max(example.index, 0)]]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """The line is all there is to write."""
        return Response()

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """The first target."""
        return example.targets[0] if example.targets else ""

    def _fitting(self, lines: Sequence[CompletionItem], dataset: str) -> list[CompletionItem]:
        """Those that are short enough; of a caller's own it is said how many are not."""
        sizes = [self._sizes(line) for line in lines]
        most = (self.prompt_tokens, self.max_new_tokens)
        fitting = [
            line
            for line, (prompt, target) in zip(lines, sizes, strict=True)
            if prompt <= most[0] and target <= most[1]
        ]
        if fitting and len(fitting) < len(lines) and dataset != EMBEDDED:
            prompt, target = (max(each) for each in zip(*sizes, strict=True))
            warn_left_out(
                len(lines) - len(fitting),
                len(lines),
                dataset,
                {"prompt_tokens": (most[0], prompt), "max_new_tokens": (most[1], target)},
            )
        return fitting

    def _sizes(self, line: CompletionItem) -> tuple[int, int]:
        """Tokens of a line's prompt and of its first target."""
        encode = self._tokenizer.encode
        return len(encode(line.prompt)), len(encode(f" {line.targets[0]}"))


def warn_left_out(
    count: int, total: int, dataset: str, limits: Mapping[str, tuple[int, int]]
) -> None:
    """Says that `count` of a caller's `total` examples are too long.

    Args:
        count: Examples left out.
        total: Examples of the split.
        dataset: Where they come from.
        limits: By argument the most tokens that it allows, and the most that there are.
    """
    too_low = [
        f"{name}={allowed} (the longest needs {longest})"
        for name, (allowed, longest) in limits.items()
        if longest > allowed
    ]
    warnings.warn(
        f"Left out {count} of {total} examples of {dataset}, which are too long for "
        f"{' and '.join(too_low)}; raise {'them' if len(too_low) > 1 else 'it'} to keep all.",
        UserWarning,
        stacklevel=2,
    )


def _flat(line: CompletionItem) -> CompletionItem:
    """A line whose targets can be written as one."""
    if line.verify is not None:
        return line
    return replace(line, targets=tuple(one_line(target) for target in line.targets))


def _choices(lines: Sequence[CompletionItem]) -> list[tuple[str, ...]]:
    """Options for each line: its first target among first targets of other lines of its group.

    There are `NUM_OPTIONS` everywhere, or as many fewer as it takes for all lines to have the same
    number. Which they are, and in which order they stand, depends on the line's place alone. Groups
    with too few different texts borrow from all.
    """
    texts: dict[str | None, set[str]] = {None: {line.targets[0] for line in lines}}
    for line in lines:
        texts.setdefault(line.group, set()).add(line.targets[0])
    pools = {group: sorted(members) for group, members in texts.items()}
    size = min(NUM_OPTIONS - 1, min(_num_others(texts[None], line) for line in lines))
    options = []
    for number, line in enumerate(lines):
        has_enough = _num_others(texts[line.group], line) >= size
        pool = pools[line.group if has_enough else None]
        rng = np.random.default_rng((0, number))
        drawn = rng.choice(len(pool), min(size + len(line.targets), len(pool)), replace=False)
        chosen = [pool[place] for place in drawn if pool[place] not in line.targets][:size]
        chosen.insert(int(rng.integers(size + 1)), line.targets[0])
        options.append(tuple(chosen))
    return options


def _num_others(texts: set[str], line: CompletionItem) -> int:
    """How many of some texts are no targets of a line."""
    return len(texts) - len(texts.intersection(line.targets))
