"""How a task is written down for the model: the formats that pretraining and tasks share.

A prompt ends right after its colon; the continuation starts with a space. Each function returns
(prompt, continuation); a document is both, one after the other, and then the end of text.
"""

LANGUAGES = {"en": "English", "fr": "French", "zh": "Chinese"}


def question(question: str, answer: str, context: str = "") -> tuple[str, str]:
    """A question, answered closed-book or from the context before it."""
    given = f"Context: {context}\n" if context else ""
    return f"{given}Question: {question}\nAnswer:", f" {answer}"


def translation(source: str, target: str, pair: str) -> tuple[str, str]:
    """A sentence and its translation; `pair` is such as "en-fr"."""
    first, second = (LANGUAGES[language] for language in pair.split("-"))
    return f"{first}: {source}\n{second}:", f" {target}"


def paraphrase(text: str, target: str) -> tuple[str, str]:
    """A sentence and the same in other words."""
    return f"Text: {text}\nParaphrase:", f" {target}"


def classification(text: str, label: str, kind: str) -> tuple[str, str]:
    """A sentence and its label; `kind` is "topic", "language" or "sentiment"."""
    return f"Text: {text}\n{kind.capitalize()}:", f" {label}"
