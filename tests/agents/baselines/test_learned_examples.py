import numpy as np

from agents.baselines.families import Environments
from agents.baselines.learned_examples import (
    LearnedExamples,
    learned_examples,
    once_for_examples,
)
from tests.agents.finished_run import CONFIG, changed

ENV = CONFIG.env.model_copy(update={"split": "validation"})


def test_examples_that_are_judged_are_not_learned_from():
    environments = Environments(changed(env=ENV))
    judged = np.array([3, 7, 11])
    found = learned_examples(environments, "validation", judged)
    assert set(found.indices) == set(range(environments.get("validation").num_examples)) - {
        3,
        7,
        11,
    }


def test_all_examples_are_learned_from_when_another_split_is_judged():
    environments = Environments(changed(env=ENV))
    found = learned_examples(environments, "test", np.array([3, 7, 11]))
    assert len(found.indices) == environments.get("validation").num_examples


def test_pairs_are_prompts_and_their_targets():
    environments = Environments(changed(env=ENV))
    found = learned_examples(environments, "test", np.array([0]))
    pairs = found.pairs(5)
    assert len(pairs) == 5
    first = found.env.task.example(int(found.indices[0]))
    assert pairs[0] == (found.env.tokenizer.decode(first.prompt), first.targets)


def test_no_more_examples_are_learned_from_than_the_limit():
    environments = Environments(changed(env=ENV))
    assert len(learned_examples(environments, "test", np.array([0]), most=5).indices) == 5


def test_a_text_that_begins_like_a_judged_one_is_learned_from():
    """Regression: where texts are read in parts, all with the same first word were left out."""
    kwargs = {"mode": "sequential", "actions": "choices"}
    env = {"id": "lm_envs/Classification-v0", "split": "validation", "kwargs": kwargs}
    environments = Environments(changed(env=CONFIG.env.model_validate(env | {"n_envs": 2})))
    task = environments.get("validation").task
    judged = np.arange(40)
    whole = {task.shown_texts(task.example(index))[-1] for index in judged.tolist()}
    found = learned_examples(environments, "validation", judged)
    assert len(found.indices) == task.num_examples - 40
    assert not whole & {task.shown_texts(example)[-1] for example in found.examples}


def test_the_same_examples_and_arguments_are_computed_once():
    env = Environments(changed(env=ENV)).get("validation")
    one, same, other = (
        LearnedExamples(env, np.array(indices)) for indices in ([1, 2], [1, 2], [1, 3])
    )
    asked = []

    @once_for_examples
    def count(examples, more, last=0):
        asked.append((examples.indices.tolist(), more, last))
        return len(asked)

    assert [count(one, "a"), count(same, "a"), count(one, "b"), count(other, "a")] == [1, 1, 2, 3]
    assert [count(one, "a", last=1), count(one, "a", last=1)] == [4, 4]
    assert len(asked) == 4
