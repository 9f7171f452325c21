"""The rules for chains of relations, with the settings that are tried for each.

Owns the settings. Runs nothing.
"""

from agents.baselines.families import Family, Setting, by_policy, grid
from agents.baselines.learned_examples import by_learned_policy
from agents.baselines.rules.chains.next_relation import (
    NextRelation,
    learned_rule,
    likeliest,
    weighed,
)
from agents.baselines.rules.chains.phrase_lookup import phrase_lookup
from agents.baselines.rules.lines import Rule, by_rule

LOOKUP = "phrase lookup"
REGRESSION = "next-relation regression"
BOTH = "phrase lookup and regression"

STEMS = (4, 5, 6, 20)
"""First letters that are compared; with 20 the words are compared as they stand."""

CLASSIFIERS: list[Setting] = [
    ["words", 10.0, 0.3],
    ["words", 3.0, 0.3],
    ["words", 10.0, 0.5],
    ["both", 10.0, 0.3],
]
"""Features, penalty and dropout; see `NextRelation`."""

WEIGHTS = (0.2, 0.4, 0.6, 1.0)
"""Of the lookup against the classifier's probabilities."""

MOST_EXAMPLES = 10_000
"""Examples that the classifier learns from: as many as the agent has."""


def families(has_classifier: bool) -> list[Family]:
    """Returns the lookup, and with a classifier that one, and both together.

    Args:
        has_classifier: Whether scikit-learn is installed.
    """
    run = by_policy(lambda stem, seed: by_rule(phrase_lookup(int(stem))))
    found = [Family(LOOKUP, grid(*STEMS), run, is_cheap=True)]
    if has_classifier:
        alone = learned_rule(lambda model, rest: likeliest(model))
        both = learned_rule(_both)
        pairs = [[*CLASSIFIERS[0], stem, weight] for stem in STEMS for weight in WEIGHTS]
        runs = [by_learned_policy(learn, most=MOST_EXAMPLES) for learn in (alone, both)]
        found += [
            Family(REGRESSION, grid(*CLASSIFIERS), runs[0]),
            Family(BOTH, grid(*pairs), runs[1]),
        ]
    return found


def _both(model: NextRelation, rest: Setting) -> Rule:
    stem, weight = rest
    return weighed(model, phrase_lookup(int(stem)), weight)
