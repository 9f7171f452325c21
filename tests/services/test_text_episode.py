"""Episodes over texts: the same replies and rewards as in the environment of the same task."""

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.factory import make_task
from lm_envs.services.text_episode import OVER, TextEpisode
from tests.tasks.helpers import embedded_tokenizer


def episode(task, **options):
    tokenizer = embedded_tokenizer()
    return TextEpisode(make_task(task, tokenizer, options)[0], tokenizer, seed=0)


@pytest.mark.parametrize(
    ("env_id", "task"),
    [("lm_envs/Dialogue-v0", "dialogue"), ("lm_envs/KnowledgeGraphQA-v0", "knowledge_graph")],
)
def test_an_episode_pays_what_the_environment_pays_for_the_same_lines(env_id, task):
    """Random choices of the environment, written as texts."""
    env = gym.make(env_id, actions={"kind": "choices", "scores": False})
    texts = episode(task)
    rng = np.random.default_rng(0)
    for index in range(5):
        _, info = env.reset(options={"index": index})
        assert texts.begin(index) == info["prompt"]
        total, before, is_over = 0.0, "", False
        while not is_over:
            allowed = np.flatnonzero(env.unwrapped.action_masks())
            _, reward, terminated, truncated, info = env.step(int(rng.choice(allowed)))
            total, is_over = total + reward, terminated or truncated
            line, before = info["text"].removeprefix(before), info["text"]
            assert texts.write(line) == info["reply"]
        assert texts.is_over
        assert texts.reward == pytest.approx(total, abs=1e-6)


def test_a_line_after_the_end_changes_nothing():
    texts = episode("question_answering", split="validation")
    texts.begin(0)
    assert texts.reward == 0.0
    texts.write("Paris\nand more")
    assert (texts.turns, texts.is_over) == (["Paris"], True)
    assert texts.write("again") == OVER
    assert texts.turns == ["Paris"]


def test_the_right_answer_is_paid_in_full():
    texts = episode("question_answering", split="validation")
    texts.begin(3)
    texts.write(texts.task.example(3).targets[0])
    assert texts.reward == 1.0


def test_the_same_seed_draws_the_same_examples():
    one, other = episode("dialogue"), episode("dialogue")
    first = [one.begin() for _ in range(5)]
    assert [other.begin() for _ in range(5)] == first
    one.seed(0)
    assert [one.begin() for _ in range(5)] == first


def test_a_reward_that_needs_a_model_is_refused():
    with pytest.raises(ValueError, match=r"Got rewards of a task without a model='fluency'; allo"):
        episode("question_answering", rewards={"fluency": 1.0})


def test_an_example_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"Got index=-1; allowed: 0 to"):
        episode("dialogue").begin(-1)


@pytest.mark.parametrize("index", [1.5, "1", True])
def test_an_index_that_is_no_whole_number_is_refused(index):
    with pytest.raises(ValueError, match=rf"Got index={index!r}; allowed: 0 to"):
        episode("dialogue").begin(index)


def test_a_line_that_is_no_text_is_refused_and_changes_nothing():
    talk = episode("dialogue")
    talk.begin(0)
    with pytest.raises(ValueError, match="Got 5 of type int; allowed: a text"):
        talk.write(5)
    assert talk.turns == []
