import pytest

from agents.baselines.rules.chains.phrase_lookup import mentioned, phrase_lookup, planned_lines
from lm_envs.tasks.base import Option
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from tests.tasks.helpers import embedded_tokenizer

HARD = {"hops": [1, 2, 3], "held_out": "compositions"}


def share_answered(split, wordings, step):
    """Share of every `step`-th question that the rule answers."""
    task = KnowledgeGraphQA(embedded_tokenizer(), split=split, wordings=wordings, **HARD)
    rule, found = phrase_lookup(20), task.questions(split)
    answered, chosen = 0, range(0, task.num_examples, step)
    for index in chosen:
        example, turns = task.example(index), []
        prompt = task.respond(example, ["stop"]).context
        while len(turns) < task.max_turns and (not turns or turns[-1] != "stop"):
            options = task.options(example, turns)
            turns.append(rule(prompt, turns, options) or "stop")
        answered += task.respond(example, turns).task_scores["correct"] == 1.0
    assert len(found) >= task.num_examples
    return answered / len(chosen)


@pytest.mark.parametrize("wordings", ["facts", "varied"])
def test_chains_that_are_not_in_train_are_no_difficulty_in_wordings_of_train(wordings):
    if wordings == "facts":
        assert share_answered("validation", wordings, 5) == 1.0
    else:
        assert share_answered("train", wordings, 50) > 0.98


def test_held_out_wordings_are_not_solved_by_phrases_of_train():
    assert 0.3 < share_answered("validation", "varied", 3) < 0.75


def test_words_name_relations_in_the_order_of_the_walk():
    nested = "Which money pays the buyer of the country whose capital is Oz?"
    assert mentioned(nested, 20) == ["capital", "main customer", "currency"]
    one_by_one = "Say the capital Oz. Say its buyer. Which money has it?"
    assert mentioned(one_by_one, 20) == ["capital", "main customer", "currency"]
    assert mentioned("What are the exports?", 20) == []
    assert mentioned("What are the exports?", 5) == ["export"]


def test_a_known_phrase_tells_the_direction_and_a_word_does_not():
    path = "\nPath: Peru\nNext:"
    known = f"Question: What is the capital of the main customer of Peru?{path}"
    assert planned_lines(known, 20) == (("main customer",), ("capital",))
    unknown = f"Question: Say the capital of the buyer near Peru?{path}"
    both = (("main customer", "main customer of"), ("capital", "capital of"))
    assert planned_lines(unknown, 20) == both


def test_a_relation_that_the_entity_lacks_is_skipped():
    prompt = "Question: What is the capital of the main customer of Peru?\nPath: Peru\nNext:"
    options = [Option("main customer", False), Option("capital", True), Option("stop", True)]
    assert phrase_lookup(20)(prompt, [], options) == "capital"
    assert phrase_lookup(20)("Question: Why?\nPath: Peru\nNext:", [], options) is None
