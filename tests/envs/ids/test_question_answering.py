"""The defaults of `lm_envs/QuestionAnswering-v0`."""

import gymnasium as gym

from tests.envs.helpers import make

ID = "lm_envs/QuestionAnswering-v0"


def test_the_prompt_is_a_question_and_in_extractive_mode_also_a_context():
    assert make(1, env_id=ID).single_action_space == gym.spaces.Discrete(16)
    for options, first in (({}, "Question: "), ({"mode": "extractive"}, "Context: ")):
        prompt = make(1, env_id=ID, **options).reset(seed=0)[1]["prompt"][0]
        assert prompt.startswith(first)
        assert prompt.endswith("\nAnswer:")


def test_the_right_one_of_four_answers_scores_1():
    env = make(4, env_id=ID, actions="choices")
    assert env.single_action_space == gym.spaces.Discrete(4)
    env.reset(seed=0)
    *_, infos = env.step(env.oracle_actions())
    assert infos["scores"]["token_f1"].tolist() == [1.0] * 4
