import numpy as np

from agents.baselines.families import Environments
from agents.baselines.rules.analogy.families import CHANGE, MEMORY, families
from agents.evaluation.rollouts import mean_scores
from tests.agents.finished_run import CONFIG, changed

KWARGS = {
    **{"held_out": "rules", "shots": 3, "prompt_tokens": 160},
    **{"actions": {"kind": "top_k", "k": 8, "copies": 8}, "observation": "candidates"},
}


def test_on_other_rules_the_change_is_ahead_of_the_memory_and_both_ahead_of_the_text_itself():
    env = {"id": "lm_envs/Paraphrase-v0", "n_envs": 8, "split": "train", "kwargs": KWARGS}
    environments = Environments(changed(env=CONFIG.env.model_validate(env)))
    places, found = np.arange(0, 288, 6), {}
    for family, setting in zip(families(), (3, [0.25, 0.05]), strict=True):
        transcripts = family.run(environments, "validation", places, setting, 0)
        found[family.name] = mean_scores(transcripts)["exact_match"]
    assert 0.2 < found[MEMORY] < found[CHANGE]
    assert found[CHANGE] > 0.5
