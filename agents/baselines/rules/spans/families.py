"""The rule for questions about paragraphs of fields, with the settings that are tried.

Owns the settings. Runs nothing.
"""

from collections.abc import Callable
from itertools import product

from agents.baselines.families import Family, Setting, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.baselines.rules.prompts import own_prompt
from agents.baselines.rules.spans.paragraphs import parse
from agents.baselines.rules.spans.reader import (
    QuestionClassifier,
    QuestionSetting,
    Solved,
    SpanClassifier,
    answer_scores,
    worded_relations,
)
from agents.baselines.rules.texts import VOCABULARY, writes
from agents.evaluation.baselines import Policy

READER = "paragraph reader"

QUESTIONS = (
    *(("stems", 3.0, 0.3), ("stems", 10.0, 0.0), ("characters", 10.0, 0.0)),
    *(("both", 3.0, 0.0), ("both", 10.0, 0.0), ("both", 30.0, 0.0)),
)
"""Features, penalty and dropout; see `QuestionSetting`."""

NAMED_WEIGHTS = (0.0, 0.2, 0.4)
"""Of words of the label that are in the question, against a probability."""

MOST_EXAMPLES = 10_000
"""Examples that are learned from: as many as the agent has."""


def families() -> list[Family]:
    """Returns the reader of paragraphs; it needs scikit-learn."""
    settings = [[*question, weight] for question, weight in product(QUESTIONS, NAMED_WEIGHTS)]
    return [Family(READER, grid(*settings), by_learned_policy(_learn(), VOCABULARY, MOST_EXAMPLES))]


def solved_examples(examples: LearnedExamples) -> list[Solved]:
    """Returns the paragraphs of examples with their relations and answers."""
    episodes = examples.language_env.episodes
    return [
        Solved(parse(own_prompt(episodes, each)), each.columns["relation"], each.targets[0])
        for each in examples.examples
    ]


def _learn() -> Callable[[LearnedExamples, Setting, int], Policy]:
    """Returns the function that learns from examples; what settings share is learned once."""
    known: dict[bytes, tuple[list[Solved], SpanClassifier]] = {}

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        key = examples.indices.tobytes()
        if key not in known:
            found = solved_examples(examples)
            known[key] = found, SpanClassifier(found, sorted({each.relation for each in found}))
        solved, spans = known[key]
        pairs = worded_relations(solved)
        *question, weight = setting
        classifier = QuestionClassifier(pairs, QuestionSetting(*question))
        return writes(read(classifier, spans, weight))

    return learn


def read(
    classifier: QuestionClassifier, spans: SpanClassifier, weight: float
) -> Callable[[str], str]:
    """Returns the function from a prompt to the most probable answer.

    Args:
        classifier: Of the question.
        spans: Of the spans, for the same relations in the same order.
        weight: Of words of the label that are in the question.
    """

    def text_for(prompt: str) -> str:
        paragraph = parse(prompt)
        if not paragraph.spans:
            return ""
        relations = classifier.probabilities([paragraph.question])
        scores = answer_scores(paragraph, spans, relations)
        return scores.texts[int((scores.beliefs[0] + weight * scores.named).argmax())]

    return text_for
