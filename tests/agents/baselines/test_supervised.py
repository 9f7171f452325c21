"""Supervised finetuning on questions that all have the same answer."""

import json

import numpy as np

from agents.baselines.families import Environments
from agents.baselines.selection import requested_families
from agents.baselines.supervised import NAME, supervised
from agents.config.train import EnvConfig
from agents.evaluation.rollouts import mean_scores
from tests.agents.finetune_run import small_config


def questions(checkpoint, folder):
    """A configuration on twelve questions with one answer, four of them held out."""
    path = folder / "questions.jsonl"
    names = ["cat", "dog", "mat", "cap", "hat", "rat", "pot", "log", "fog", "bag", "bed", "bus"]
    splits = ["train"] * 8 + ["validation"] * 4
    rows = [
        {"question": f"the {name}?", "answer": "the cat", "split": split}
        for name, split in zip(names, splits, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    kwargs = {"model": str(checkpoint), "dataset": str(path), "rewards": {"exact_match": 1.0}}
    kwargs |= {"max_new_tokens": 6}
    env = EnvConfig(id="lm_envs/QuestionAnswering-v0", n_envs=4, kwargs=kwargs)
    return small_config(checkpoint, env=env)


def test_more_steps_teach_the_answer_of_the_training_questions(checkpoint, tmp_path):
    config = questions(checkpoint, tmp_path)
    environments, family = Environments(config), supervised(config)
    rewards = [
        mean_scores(family.run(environments, "validation", np.arange(4), setting, 0))["reward"]
        for setting in ([1, 1.0e-6], [60, 3.0e-3])
    ]
    assert rewards == [0.0, 1.0]


def test_it_is_the_imitation_of_a_run_that_finetunes(checkpoint, tmp_path):
    environments = Environments(questions(checkpoint, tmp_path))
    found = requested_families(environments, "validation", search=False, clone=True)
    assert found[-1].name == NAME
