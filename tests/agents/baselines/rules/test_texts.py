import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.reading.payoffs import LabelPayoffs
from agents.baselines.rules.texts import (
    context_words,
    function_words,
    is_extractive,
    label_classifier,
    writes,
)
from agents.evaluation.rollouts import run_episodes

gym.register_envs(lm_envs)

PROMPT = "Context: People in Peru pay in soles.\nQuestion: What is the currency of Peru?\nAnswer:"
OTHER = "Context: People in Laos pay in kip.\nQuestion: What is the currency of Laos?\nAnswer:"


def test_context_words_are_those_that_the_question_lacks():
    assert context_words(frozenset())(PROMPT) == "People in pay in soles"


def test_words_of_several_contexts_that_answer_nothing_are_dropped():
    pairs = [(PROMPT, ("soles",)), (OTHER, ("kip",))]
    dropped = function_words(pairs, 2)
    assert dropped == {"people", "in", "pay"}
    assert context_words(dropped)(OTHER) == "kip"
    assert function_words(pairs, 0) == frozenset()
    assert function_words(pairs, 3) == frozenset()


def test_a_prompt_without_a_context_has_no_words():
    assert context_words(frozenset())("Question: Who?\nAnswer:") == ""


@pytest.mark.parametrize(("mode", "expected"), [("extractive", True), ("closed_book", False)])
def test_extractive_questions_are_recognized(mode, expected):
    env = gym.make_vec("lm_envs/QuestionAnswering-v0", mode=mode).unwrapped
    assert is_extractive(env.task) is expected


def test_a_text_is_written_whole_whatever_the_model_finds_likely():
    arguments = {"actions": "vocabulary", "split": "test", "autoreset_mode": "disabled"}
    env = gym.make_vec("lm_envs/QuestionAnswering-v0", num_envs=2, **arguments).unwrapped
    texts = {}
    written = run_episodes(
        env, writes(lambda prompt: texts.setdefault(prompt, "zebra, 7")), np.arange(3)
    )
    assert [t.text for t in written] == [" zebra, 7"] * 3
    assert {t.ending for t in written} == {"end_token"}
    assert set(texts) == {t.prompt for t in written}


def test_the_classifier_learns_labels_from_words():
    texts = [f"{word} {noise}" for word in ("rain", "gold") for noise in ("one", "two", "three")]
    labels = ["climate"] * 3 + ["export"] * 3
    payoffs = LabelPayoffs(("climate", "export"), np.eye(2), 1.0)
    rule = label_classifier(texts, labels, 10.0, payoffs)
    assert rule("much rain four", [], []) == "climate"
    assert rule("much gold four", [], []) == "export"
