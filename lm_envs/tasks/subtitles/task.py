"""Live subtitles: decide for each spoken word whether it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lm_envs.lru import LRUCache
from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.data.length_limits import drop_too_long
from lm_envs.tasks.datasets import read_texts
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tasks.subtitles.waiting import waiting_words
from lm_envs.tasks.subtitles.words import Speech, WordInformation, speeches
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_count, check_number

CONTENT, WAITING = "content", "waiting"
DEFAULT_REWARDS = {CONTENT: 1.0, "fluency": 1.5, WAITING: -0.15}
COUNTED = "train"
"""Split whose texts tell how rare a word is."""

CACHE_BYTES, WORD_BYTES = 16 * 2**20, 145
"""Most memory of the words' token ids that are kept, and of those of one word, as measured."""


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """The words of an example.

    Attributes:
        tokens: W arrays (T,) int64, the ids of each word.
        information: (W,) float64 share of each word in the information of all; sums to 1.
    """

    tokens: tuple[np.ndarray, ...]
    information: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


class LiveSubtitles:
    """Show or leave out each spoken word; scored by information, fluency and words that wait.

    Prompt: the words that were spoken before, all of them shown.
    Episode end: terminates after the last spoken word.
    Scores: `content` is the share of the spoken words' information that is shown, where a word has
    the more information the rarer it is; `waiting` is the number of shown words that wait to be
    read, on average over the spoken words. `DEFAULT_REWARDS` also pays the fluency of what is shown
    under the language model.

    Args:
        tokenizer: Encodes and decodes passages.
        dataset: "embedded", a .txt, .jsonl, .csv or .tsv file, or a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; whole
            documents of the embedded prose are held out.
        column: Field of the passages in a file or dataset with several fields.
        context_words: Number of words before the spoken ones.
        spoken_words: W, number of spoken words in an episode. A passage is divided into as many
            examples as it has parts of this length.
        stride: Words between the beginnings of two examples of a passage; fewer than W make more
            examples, which have words in common. Default: W, none in common.
        reading_speed: Words that a reader reads while one is spoken.
        prompt_tokens: Largest number of tokens in the words before; examples with more are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Largest number of tokens in the spoken words; examples with more are left
            out.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Attributes:
        required_actions: The only kind of actions that the task works with.
        spoken_words: W.
        reading_speed: As given.

    Raises:
        ValueError: If an argument is out of range, the dataset cannot be read, or no passage is
            long enough.
    """

    max_turns = 1
    num_options = 0
    task_scores = (CONTENT, WAITING)
    required_actions = "show_words"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        column: str = "text",
        context_words: int = 12,
        spoken_words: int = 32,
        stride: int | None = None,
        reading_speed: float = 0.7,
        prompt_tokens: int = 48,
        max_new_tokens: int = 96,
        rewards: Weights | None = None,
    ) -> None:
        counts = {"context_words": context_words, "spoken_words": spoken_words}
        counts["stride"] = spoken_words if stride is None else stride
        counts |= {"prompt_tokens": prompt_tokens, "max_new_tokens": max_new_tokens}
        _check(counts, reading_speed)
        self.spoken_words, self.reading_speed = spoken_words, float(reading_speed)
        self.prompt_tokens = prompt_tokens + tokenizer.prompt_overhead
        self.max_new_tokens = max_new_tokens
        self.context_tokens = self.prompt_tokens + max_new_tokens
        self.reward = Reward(DEFAULT_REWARDS if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        texts = read_texts(dataset, split, column)
        parts = (context_words, spoken_words, counts["stride"])
        found = [each for text in texts for each in speeches(text, *parts)]
        self._speeches = self._short(found, prompt_tokens, dataset)
        self.num_examples = len(self._speeches)
        if not self._speeches:
            raise ValueError(
                f"Got no passage of {context_words + spoken_words} words in split {split!r} of "
                f"{dataset} with at most prompt_tokens={prompt_tokens} and "
                f"max_new_tokens={max_new_tokens}; allowed: fewer words, or larger limits."
            )
        counted = texts if split == COUNTED else read_texts(dataset, COUNTED, column)
        self._information = WordInformation(counted)
        spoken = LRUCache[int, SpokenWords](CACHE_BYTES, lambda _, each: WORD_BYTES * len(each))
        self._spoken = spoken.memoize(self._encoded)

    def spoken(self, example: Example) -> SpokenWords:
        """Returns the words of an example."""
        return self._spoken(example.index)

    def word_texts(self, example: Example) -> tuple[str, ...]:
        """Returns the words (W,) of an example as they are written, without blanks around them."""
        return tuple(word.strip() for word in self._speeches[example.index].words)

    def scores_of(self, example: Example, is_shown: np.ndarray) -> dict[str, float]:
        """Returns the task's own scores after the first words of an example.

        Args:
            example: The example.
            is_shown: (T,) bool, which of its first T words were shown, 1 <= T <= W.
        """
        information = self.spoken(example).information[: len(is_shown)]
        waiting = waiting_words(is_shown, self.reading_speed)
        return {
            CONTENT: float(information @ is_shown),
            WAITING: float(waiting.sum()) / self.spoken_words,
        }

    def example(self, index: int) -> Example:
        """Returns the words before as the prompt, and all spoken words as the reference."""
        speech = self._speeches[index]
        reference = np.concatenate(self._spoken(index).tokens)
        prompt = self._tokenizer.encode_prompt(speech.context)
        return Example(prompt, reference, (speech.text,), index)

    def example_of(self, prompt: str) -> Example:
        """Refuses a caller's own prompt, because the spoken words have to be known.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Got prompt {prompt!r} for subtitles; select an example by 'index'.")

    def is_turn_over(self, text: str) -> bool:
        """Returns False: an episode ends after the last spoken word, shown or not."""
        return False

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns no options: words are shown one by one."""
        return ()

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode."""
        return Response()

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns all spoken words."""
        return example.targets[0]

    def _short(self, found: Sequence[Speech], prompt_tokens: int, dataset: str) -> list[Speech]:
        encode, overhead = self._tokenizer.encode_prompt, self._tokenizer.prompt_overhead
        lengths = {
            "prompt_tokens": [len(encode(each.context)) - overhead for each in found],
            "max_new_tokens": [sum(map(len, self._tokens(each))) for each in found],
        }
        limits = {"prompt_tokens": prompt_tokens, "max_new_tokens": self.max_new_tokens}
        return drop_too_long(found, lengths, limits, dataset)

    def _encoded(self, index: int) -> SpokenWords:
        speech = self._speeches[index]
        return SpokenWords(self._tokens(speech), np.array(self._information.shares(speech.words)))

    def _tokens(self, speech: Speech) -> tuple[np.ndarray, ...]:
        return tuple(self._tokenizer.encode(word) for word in speech.words)


def _check(counts: Mapping[str, int], reading_speed: float) -> None:
    """Raises ValueError if a count is below 1 or the speed is not positive."""
    for name, value in counts.items():
        check_count(name, value)
    check_number("reading_speed", reading_speed)
    if reading_speed <= 0:
        raise ValueError(f"Got reading_speed={reading_speed!r}; allowed: more than 0.")
