"""Generated questions with verified answers; most tests use a fake in place of the package."""

import sys

import gymnasium as gym
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.tasks import reasoning_gym
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.splits import SplitSpec
from tests.tasks.helpers import embedded_tokenizer, install_reasoning_gym

SUMS = "reasoning_gym:basic_arithmetic"
FAKE = "reasoning_gym:sums"
TEXTS = [f"text {number}" for number in range(40)]


def parse_as_integer(answer, entry):
    return int(answer) == int(entry["answer"])


@pytest.fixture(scope="module")
def sums():
    pytest.importorskip("reasoning_gym")
    return QuestionAnswering(embedded_tokenizer(), dataset=SUMS, split="test")


def test_splits_share_no_question():
    pytest.importorskip("reasoning_gym")
    texts = [
        {question.text for question in reasoning_gym.questions(SUMS, split)}
        for split in ("train", "validation", "test")
    ]
    assert all(texts)
    assert not texts[0] & (texts[1] | texts[2])


def test_a_split_is_the_same_every_time(sums):
    again = QuestionAnswering(embedded_tokenizer(), dataset=SUMS, split="test")
    assert [again.example(i).targets for i in range(again.num_examples)] == [
        sums.example(i).targets for i in range(sums.num_examples)
    ]


def test_correct_answers_score_one_and_others_less(sums):
    for index in range(sums.num_examples):
        example = sums.example(index)
        (correct,) = example.targets
        assert sums.respond(example, [f" {correct}\n"]).task_scores == {"verified": 1.0}
        assert sums.respond(example, [" no idea"]).task_scores["verified"] < 0.1
        assert sums.respond(example, [""]).task_scores["verified"] == 0.0


def test_held_out_questions_of_the_training_split_are_left_out(monkeypatch):
    def questions(seed):
        return ["one?", "two?"] if seed == 0 else ["two?", "three?", "three?"]

    install_reasoning_gym(monkeypatch, questions, parse_as_integer)
    assert [each.text for each in reasoning_gym.questions(FAKE, "train")] == ["one?", "two?"]
    assert [each.text for each in reasoning_gym.questions(FAKE, "test")] == ["three?"]


def test_a_split_with_training_questions_only_is_refused(monkeypatch):
    install_reasoning_gym(monkeypatch, lambda seed: ["one?"], parse_as_integer)
    with pytest.raises(ValueError, match="whose questions all appear in 'train' too"):
        reasoning_gym.questions(FAKE, "test")


def test_a_part_of_a_split_is_selected_by_hash(monkeypatch):
    install_reasoning_gym(monkeypatch, lambda seed: TEXTS, parse_as_integer)
    texts = [each.text for each in reasoning_gym.questions(FAKE, "train[:25%]")]
    assert texts == SplitSpec.parse("train[:25%]").select(TEXTS, str)


def test_an_answer_that_raises_in_the_verifier_scores_zero(monkeypatch):
    install_reasoning_gym(monkeypatch, lambda seed: TEXTS, parse_as_integer)
    verify = reasoning_gym.questions(FAKE, "train")[0].verify
    assert verify(" 4\n") == 1.0
    assert verify("four") == 0.0


@pytest.mark.parametrize(("score", "expected"), [(-0.5, 0.0), (0.25, 0.25), (3, 1.0)])
def test_a_verified_score_is_clipped_to_0_and_1(monkeypatch, score, expected):
    install_reasoning_gym(monkeypatch, lambda seed: TEXTS, lambda answer, entry: score)
    assert reasoning_gym.questions(FAKE, "train")[0].verify("4") == expected


def test_the_environment_pays_the_verified_score():
    pytest.importorskip("reasoning_gym")
    env = gym.make("lm_envs/QuestionAnswering-v0", dataset=SUMS, split="test", actions="choices")
    for index in range(5):
        _, info = env.reset(options={"index": index})
        rewards = set()
        for action in range(env.action_space.n):
            env.reset(options={"index": index})
            _, reward, terminated, _, info = env.step(action)
            assert terminated
            assert info["scores"]["verified"] == pytest.approx(reward)
            rewards.add(round(reward, 6))
        assert max(rewards) == 1.0
        assert min(rewards) < 0.5


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(ValueError, match=r"pip install lm_envs\[reasoning\]"):
        reasoning_gym.questions(SUMS, "train")


def test_an_unknown_task_is_refused_with_a_close_match(monkeypatch):
    install_reasoning_gym(monkeypatch, lambda seed: TEXTS, parse_as_integer)
    with pytest.raises(ValueError, match=r"'reasoning_gym:composite'; allowed after .*: sums"):
        reasoning_gym.questions("reasoning_gym:composite", "train")
    with pytest.raises(ValueError, match="Did you mean 'sums'"):
        reasoning_gym.questions("reasoning_gym:sum", "train")


def test_arguments_of_a_task_follow_its_name():
    pytest.importorskip("reasoning_gym")
    easy = reasoning_gym.questions("reasoning_gym:chain_sum?max_terms=2&max_digits=2", "test")
    assert all(len(question.answer) <= 3 for question in easy)
    hard = reasoning_gym.questions("reasoning_gym:chain_sum", "test")
    assert any(len(question.answer) > 3 for question in hard)


@pytest.mark.parametrize("query", ["max_words=2", "min_terms=4&max_terms=2", "seed=3"])
def test_arguments_that_a_task_does_not_accept_are_one_line(query):
    pytest.importorskip("reasoning_gym")
    with pytest.raises(ValueError, match=r"does not accept: .*Allowed: the fields"):
        reasoning_gym.questions(f"reasoning_gym:chain_sum?{query}", "train")
