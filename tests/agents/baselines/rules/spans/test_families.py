import numpy as np

from agents.baselines.families import Environments
from agents.baselines.rules.spans.families import families
from agents.evaluation.rollouts import mean_scores
from tests.agents.finished_run import CONFIG, changed


def test_the_reader_answers_most_questions_in_known_wordings_and_fewer_in_new_ones():
    kwargs = {"mode": "extractive", "held_out": "wordings", "observation": "candidates"}
    env = {"id": "lm_envs/QuestionAnswering-v0", "n_envs": 8, "split": "train", "kwargs": kwargs}
    environments = Environments(changed(env=CONFIG.env.model_validate(env)))
    (reader,) = families()
    setting = ["stems", 10.0, 0.0, 0.4]
    right = {
        split: mean_scores(reader.run(environments, split, np.arange(0, 1000, 10), setting, 0))
        for split in ("train", "validation")
    }
    assert right["train"]["exact_match"] > 0.95
    assert 0.4 < right["validation"]["exact_match"] < 0.8
