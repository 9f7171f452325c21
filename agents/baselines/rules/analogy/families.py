"""The rules for texts to rewrite as shown, with the settings that are tried for each.

Owns the settings. Runs nothing.
"""

from agents.baselines.families import Family, Setting, by_policy, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.baselines.rules.analogy.shown_change import (
    Prices,
    WordPairs,
    known_texts,
    parse_shown,
    shown_change,
)
from agents.baselines.rules.memory import translation_memory
from agents.baselines.rules.prompts import shown_prompt
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.baselines import Policy

MEMORY = "memory of the shown examples"
CHANGE = "shown change"

TRIED = (1, 3)
"""Shown examples that the memory tries to edit."""

PRICES: list[Setting] = [
    *([price, 0.0] for price in (0.0, 0.1, 0.25, 0.5, 1.0)),
    *([price, near] for price in (0.1, 0.25) for near in (0.05, 0.1)),
]
"""Of a pair of neighboring words that is in no training text, and of a pair of near words."""


def families() -> list[Family]:
    """Returns the memory of the shown examples, and the rule that reads their change."""
    memory = by_policy(lambda tried, seed: _memory(int(tried)), VOCABULARY)
    change = by_learned_policy(_change, VOCABULARY)
    return [Family(MEMORY, grid(*TRIED), memory), Family(CHANGE, grid(*PRICES), change)]


def _memory(tried: int) -> Policy:
    """Returns the policy that replaces the words that differ from those of a shown example."""

    def text_for(prompt: str) -> str:
        shown = parse_shown(prompt)
        return translation_memory(dict(shown.examples), tried)(shown.text) if shown else ""

    return writes(text_for, shown_prompt)


def _change(examples: LearnedExamples, prices: Setting, seed: int) -> Policy:
    known = WordPairs(known_texts(examples.pairs()))
    return writes(shown_change(known, Prices(*prices)), shown_prompt)
