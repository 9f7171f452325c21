import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.rules.surrogate.families import settings_search, structure_search
from agents.evaluation.rollouts import mean_scores
from tests.agents.finished_run import CONFIG, changed

JUDGED = np.arange(4)


@pytest.mark.parametrize(
    ("family", "env_id", "kwargs"),
    [
        (settings_search(), "lm_envs/WeightTuning-v0", {"task": "question_answering"}),
        (structure_search(), "lm_envs/StructureSearch-v0", {"probes": True, "adjustments": 5}),
    ],
)
def test_few_examples_are_enough_to_lower_the_loss_of_others(family, env_id, kwargs):
    env = {"id": env_id, "n_envs": 4, "split": "validation[98%:]"}
    made = CONFIG.env.model_validate({**env, "kwargs": {**kwargs, "passages": 2}})
    environments = Environments(changed(env=made))
    settings = [setting for setting, _ in family.search(lambda setting: 0.0)]
    first, last, again = (
        family.run(environments, "validation[:25%]", JUDGED, setting, 0)
        for setting in (settings[0], settings[-1], settings[0])
    )
    assert mean_scores(first)["reward"] > 0.05
    assert [text.rewards.tolist() for text in first] == [text.rewards.tolist() for text in again]
    assert [text.text for text in first] != [text.text for text in last]
