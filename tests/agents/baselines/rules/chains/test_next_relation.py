import numpy as np
import pytest

from agents.baselines.rules.chains.next_relation import NextRelation, Walk, likeliest, weighed
from lm_envs.tasks.base import Option

LINES = ("capital", "currency", "capital of", "stop")
WALKS = [
    Walk(question.format(name), path)
    for name in ("Peru", "Chad", "Fiji")
    for question, path in (
        ("What is the capital of {}?", ("capital", "stop")),
        ("Which money does {} have?", ("currency", "stop")),
        ("Which money has the land of the city {}?", ("capital of", "currency", "stop")),
    )
]
OPTIONS = [Option(line, line != "currency") for line in LINES]


def prompt(question):
    return f"Question: {question}\nPath: Oz\nNext:"


@pytest.fixture(scope="module", params=[("words", 0.0), ("characters", 0.0), ("both", 0.3)])
def model(request):
    features, dropout = request.param
    return NextRelation(WALKS, LINES, features, 100.0, dropout)


def test_question_and_path_decide_the_most_probable_relation(model):
    city = "Which money has the land of the city Oz?"
    questions = ["What is the capital of Oz?", city, city, city]
    shares = model.probabilities(
        questions, [(), (), ("capital of",), ("capital of", "currency", "capital")]
    )
    np.testing.assert_allclose(shares.sum(1), 1.0)
    chosen = [LINES[number] for number in shares.argmax(1)]
    assert chosen == ["capital", "capital of", "currency", "stop"]


def test_a_line_that_is_not_enabled_is_not_taken(model):
    question = "Which money does Oz have?"
    assert model.probabilities([question], [()])[0].argmax() == LINES.index("currency")
    assert likeliest(model)(prompt(question), [], OPTIONS) != "currency"


def test_the_weight_decides_between_the_classifier_and_another_rule(model):
    question = prompt("What is the capital of Oz?")
    other = lambda prompt, turns, options: "capital of"  # noqa: E731
    assert weighed(model, other, 0.0)(question, [], OPTIONS) == "capital"
    assert weighed(model, other, 2.0)(question, [], OPTIONS) == "capital of"
