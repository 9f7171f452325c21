import numpy as np

from agents.baselines.families import Environments
from agents.baselines.rules.chains.families import BOTH, CLASSIFIERS, families
from agents.evaluation.rollouts import mean_scores
from tests.agents.finished_run import CONFIG, changed


def test_each_rule_runs_with_its_first_setting_and_both_together_are_right_most_often():
    actions = {"kind": "choices", "scores": False, "reads": False}
    kwargs = {"hops": 1, "wordings": "varied", "actions": actions, "observation": "words"}
    env = {"id": "lm_envs/KnowledgeGraphQA-v0", "n_envs": 8, "split": "train[:40%]"}
    made = changed(env=CONFIG.env.model_validate({**env, "kwargs": kwargs}))
    environments, found = Environments(made), families(True)
    settings = [4, CLASSIFIERS[0], [*CLASSIFIERS[0], 5, 0.6]]
    correct = {
        family.name: mean_scores(family.run(environments, "validation", np.arange(60), setting, 0))[
            "correct"
        ]
        for family, setting in zip(found, settings, strict=True)
    }
    assert min(correct.values()) > 0.3
    assert correct[BOTH] == max(correct.values())


def test_without_a_classifier_the_lookup_is_left():
    assert [family.name for family in families(False)] == ["phrase lookup"]
