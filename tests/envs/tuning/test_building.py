"""Arguments of the task and the model, for all environments that adjust the model."""

import gymnasium as gym
import pytest

from tests.envs.tuning.helpers import make_rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "chess"}, "task='chess'"),
        ({"task": "dialogue"}, "task='dialogue', which has several turns; allowed: tasks"),
        ({"task": "translation", "mode": "simultaneous"}, "leave it out"),
        ({"passages": 0}, "passages=0"),
        ({"modus": "extractive"}, "Did you mean 'mode'"),
        ({"dataset": 3}, "dataset=3"),
        ({"model": 3}, "model=3"),
        ({"prompt_tokens": 1200}, "reads at most 256"),
        ({"rewards": {"fluency": 1.0}}, "'rewards'"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec("lm_envs/WeightTuning-v0", num_envs=1, **options)


def test_titles_name_the_task_the_split_and_the_number_of_passages():
    env = make_rows("WeightTuning", 1, task="next_word", split="validation", passages=2).unwrapped
    assert env.passages(0).title.startswith("2 passages of next word, validation: ")
    env = make_rows("CacheEviction", 1).unwrapped
    assert env.passages(0).title.startswith("a passage of next word, train: ")
