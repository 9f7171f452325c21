"""Text formats of the tasks, shared by their prompts and by the pretraining corpus.

A prompt ends right after its colon; the completion starts with a space. Each function returns
(prompt, completion). A pretraining document is both joined, followed by the end-of-text token, so
a changed format needs a newly trained embedded model.
"""

from collections.abc import Sequence

LANGUAGES = {"en": "English", "fr": "French", "zh": "Chinese"}


def question(question: str, answer: str, context: str = "") -> tuple[str, str]:
    """Formats a question and its answer, with the context before the question if there is one."""
    given = f"Context: {context}\n" if context else ""
    return f"{given}Question: {question}\nAnswer:", f" {answer}"


def translation(source: str, target: str, pair: str) -> tuple[str, str]:
    """Formats a sentence and its translation; `pair` is two keys of `LANGUAGES`, as in "en-fr"."""
    first, second = (LANGUAGES[language] for language in pair.split("-"))
    return f"{first}: {source}\n{second}:", f" {target}"


def paraphrase(text: str, target: str) -> tuple[str, str]:
    """Formats a sentence and the same statement in other words."""
    return f"Text: {text}\nParaphrase:", f" {target}"


def classification(text: str, label: str, kind: str) -> tuple[str, str]:
    """Formats a text and its label; `kind` is a word such as "topic", "language", "sentiment"."""
    return f"Text: {text}\n{kind.capitalize()}:", f" {label}"


def caption(shots: Sequence[str], target: str) -> tuple[str, str]:
    """Formats captions of other images, and the caption of an image.

    The form is that of a paraphrase, in which the embedded model has read texts that repeat words.
    """
    return paraphrase("; ".join(shots), target)
