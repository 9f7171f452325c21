"""The parts of the pretraining corpus as documents for the tokenizer.

Owns the documents of each part and split. Knows nothing of tokens.
"""

from collections.abc import Iterator

from agents.corpus import classification, dialogue, facts, paraphrase, prose, translation
from lm_envs.tasks import prompt_templates

PARTS = ("prose", "facts", "translation", "paraphrase", "classification", "dialogue")


def documents(part: str, split: str) -> list[str]:
    """Returns the texts of one part and split, in a fixed order."""
    if part == "prose":
        return ["\n".join(texts) for _, own, texts in prose.documents() if own == split and texts]
    if part == "dialogue":
        return [text for own, text in dialogue.dialogues() if own == split]
    return ["".join(pair) for own, pair in _PAIRS[part]() if own == split]


Pair = tuple[str, tuple[str, str]]
"""Split, and prompt and completion."""


def _facts() -> Iterator[Pair]:
    for row in facts.facts():
        question, answer, split = row["question"], row["answer"], row["split"]
        yield split, prompt_templates.question(question, answer)
        yield split, prompt_templates.question(question, answer, row["context"])


def _translations() -> Iterator[Pair]:
    for row in translation.pairs():
        yield row["split"], prompt_templates.translation(row["source"], row["target"], row["pair"])


def _paraphrases() -> Iterator[Pair]:
    for row in paraphrase.pairs():
        yield row["split"], prompt_templates.paraphrase(row["text"], row["target"])


def _classifications() -> Iterator[Pair]:
    for row in classification.rows():
        yield row["split"], prompt_templates.classification(row["text"], row["label"], row["kind"])


_PAIRS = {
    "facts": _facts,
    "translation": _translations,
    "paraphrase": _paraphrases,
    "classification": _classifications,
}
