"""What is rated, and a rating: values without behavior of files or pages."""

from dataclasses import dataclass

from lm_envs.tasks.rewards.text_normalization import to_nfc

SIMULATED = "simulated"
"""Names of raters that begin so are programs; reports label their ratings."""


@dataclass(frozen=True, slots=True)
class RatedText:
    """A completion of a prompt. Texts are the same if prompt and text are equal.

    Attributes:
        prompt: As the episode starts.
        text: The completion, in NFC and without spaces around it.
        prompt_tokens: Ids of the prompt; empty if only the text is known.
        tokens: Ids of the completion; empty if only the text is known.
        source: What wrote it, such as "model" or the name of a run. Raters do not see it.
        shown: The text as raters see it, if it differs, such as with the other speaker's lines.
    """

    prompt: str
    text: str
    prompt_tokens: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    source: str = ""
    shown: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Prompt and text."""
        return self.prompt, self.text


def normalized(text: str) -> str:
    """Returns a completion as it is stored and looked up: in NFC, without spaces around it."""
    return to_nfc(text.strip())


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of one prompt, by the numbers of their texts in a store."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating of a pair, or of one text.

    Attributes:
        rater: Name of the person.
        first: Number of the text in the store.
        second: Number of the other text; None for the rating of one text.
        value: Of a pair: 1 if the first is better, 0 if the second is, 0.5 for a tie. Of one text:
            0 to 1. None if it was skipped.
        is_swapped: Whether the second text was shown on the left.
        time: Seconds since 1970.
        number: Of the rating in its store; 0 if it is not stored yet.
    """

    rater: str
    first: int
    second: int | None
    value: float | None
    is_swapped: bool = False
    time: float = 0.0
    number: int = 0

    @property
    def item(self) -> tuple[int, int | None]:
        """What is rated: the numbers of one text or of two."""
        return self.first, self.second

    @property
    def is_simulated(self) -> bool:
        """Whether a program rated."""
        return self.rater.startswith(SIMULATED)
