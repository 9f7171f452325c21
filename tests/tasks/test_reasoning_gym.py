"""Generated questions, and answers that a program verifies; the package is an extra."""

import sys

import gymnasium as gym
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks import reasoning_gym
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tokenizer import Tokenizer

SUMS = "reasoning_gym:basic_arithmetic"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(locate(EMBEDDED))


@pytest.fixture(scope="module")
def sums(tokenizer):
    pytest.importorskip("reasoning_gym")
    return QuestionAnswering(tokenizer, dataset=SUMS, split="test")


def test_splits_share_no_question():
    pytest.importorskip("reasoning_gym")
    texts = [
        {question.text for question in reasoning_gym.questions(SUMS, split)}
        for split in ("train", "validation", "test")
    ]
    assert all(texts)
    assert not texts[0] & (texts[1] | texts[2])


def test_a_split_is_the_same_every_time(tokenizer, sums):
    again = QuestionAnswering(tokenizer, dataset=SUMS, split="test")
    assert [again.example(i).targets for i in range(again.num_examples)] == [
        sums.example(i).targets for i in range(sums.num_examples)
    ]


def test_right_answers_are_verified_and_others_are_not(sums):
    for index in range(sums.num_examples):
        example = sums.example(index)
        (right,) = example.targets
        assert sums.respond(example, [f" {right}\n"]).task_scores == {"verified": 1.0}
        assert sums.respond(example, [" no idea"]).task_scores["verified"] < 0.1
        assert sums.respond(example, [""]).task_scores["verified"] == 0.0


def test_a_callers_own_prompt_is_not_verified(sums):
    assert sums.respond(sums.example_of("Question: 1 + 1?\nAnswer:"), [" 2\n"]).task_scores == {}


def test_an_answer_that_the_verifier_cannot_read_is_worth_nothing():
    class Verifier:
        def score_answer(self, answer, entry):
            return int(answer) == entry["answer"]

    assert reasoning_gym._verify(Verifier(), {"answer": 4}, "4") == 1.0
    assert reasoning_gym._verify(Verifier(), {"answer": 4}, "four") == 0.0


def test_the_environment_pays_what_the_verifier_says():
    pytest.importorskip("reasoning_gym")
    env = gym.make("lm_envs/QuestionAnswering-v0", dataset=SUMS, split="test", actions="choices")
    for index in range(5):
        _, info = env.reset(options={"index": index})
        paid = set()
        for action in range(env.action_space.n):
            env.reset(options={"index": index})
            _, reward, terminated, _, info = env.step(action)
            assert terminated
            assert info["scores"]["verified"] == pytest.approx(reward)
            paid.add(round(reward, 6))
        assert max(paid) == 1.0
        assert min(paid) < 0.5


def test_what_to_install_is_said(tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(ValueError, match=r"pip install lm_envs\[reasoning\]"):
        QuestionAnswering(tokenizer, dataset=SUMS)


def test_an_unknown_task_is_refused(tokenizer):
    pytest.importorskip("reasoning_gym")
    with pytest.raises(ValueError, match="Got dataset='reasoning_gym:composite'; allowed after"):
        QuestionAnswering(tokenizer, dataset="reasoning_gym:composite")
    with pytest.raises(ValueError, match="Did you mean 'basic_arithmetic'"):
        QuestionAnswering(tokenizer, dataset="reasoning_gym:basic_arithmetics")


@pytest.mark.parametrize("options", [{"mode": "extractive"}, {"columns": {"question": "q"}}])
def test_generated_questions_have_neither_context_nor_columns(tokenizer, options):
    with pytest.raises(ValueError, match="allowed: 'closed_book' and no columns"):
        QuestionAnswering(tokenizer, dataset=SUMS, **options)
