import numpy as np
import pytest

from lm_envs.model import loading
from lm_envs.tasks import TASKS, resolve
from lm_envs.tasks.base import Example, required_actions
from lm_envs.tasks.next_word import NextWord
from lm_envs.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(loading.locate("embedded"))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_draws_examples_within_its_limits(name, tokenizer):
    task = TASKS[name](tokenizer)
    for index in (0, task.num_examples - 1):
        example = task.example(index)
        assert example.index == index
        assert 1 <= len(example.prompt) <= task.prompt_tokens
        assert len(example.reference) <= task.max_new_tokens
    assert task.prompt_tokens + task.max_new_tokens <= task.context_tokens


@pytest.mark.parametrize("name", TASKS)
def test_a_response_is_a_pure_function_of_the_turns(name, tokenizer):
    task = TASKS[name](tokenizer)
    example = task.example(0)
    turns = [task.oracle_completion(example, [])]
    assert task.respond(example, turns) == task.respond(example, list(turns))


def test_only_simultaneous_translation_requires_an_action_kind(tokenizer):
    assert required_actions(NextWord(tokenizer)) is None
    assert required_actions(TASKS["translation"](tokenizer)) is None
    assert required_actions(TASKS["translation"](tokenizer, mode="simultaneous")) == "read_write"


def test_an_example_of_a_callers_prompt_has_no_index():
    assert Example(np.array([1]), np.array([2])).index == -1


def test_a_task_resolves_from_name_path_class_and_object(tokenizer):
    made = NextWord(tokenizer)
    assert resolve("next_word") is resolve("lm_envs.tasks.next_word:NextWord") is NextWord
    assert resolve(NextWord) is NextWord
    assert resolve(made) is made
    with pytest.raises(ValueError, match="allowed: 'next_word'"):
        resolve("nextword")
