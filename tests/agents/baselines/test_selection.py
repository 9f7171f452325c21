import numpy as np
import pytest

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.baselines.cloning import chosen_policy, imitate, policy_steps
from agents.baselines.families import Environments
from agents.baselines.imitated_search import NAME as SEARCHED
from agents.baselines.learned_examples import learned_examples
from agents.baselines.selection import requested_families, teacher_of
from agents.config.loading import UserError
from agents.evaluation.baselines import oracle
from tests.agents.baselines.test_cloning import config
from tests.agents.finished_run import CONFIG, changed

INTERPRETING = {"id": "lm_envs/Translation-v0", "n_envs": 2, "kwargs": {"mode": "simultaneous"}}


def clones(env, **keys):
    run = changed(env=CONFIG.env.model_validate(env), **keys)
    without = requested_families(Environments(run), "test")
    found = requested_families(Environments(run), "test", clone=True)
    assert [each.name for each in found][: len(without)] == [each.name for each in without]
    return [each.name for each in found][len(without) :]


def test_a_clone_of_the_imitated_baseline_stands_beside_the_clone_of_the_oracle():
    env = {"id": "lm_envs/KnowledgeGraphQA-v0", "n_envs": 2}
    found = clones(env, clone_policy="relation lookup")
    assert found == ["cloning", "cloning of relation lookup"]


def test_schedules_that_a_search_found_are_imitated_too():
    assert clones(INTERPRETING) == ["cloning", SEARCHED]
    assert clones(INTERPRETING, clone_policy=SEARCHED) == ["cloning", SEARCHED]


def test_settings_that_a_search_found_are_imitated_where_there_is_no_oracle():
    assert clones({"id": "lm_envs/WeightTuning-v0", "n_envs": 2, "kwargs": {}}) == [SEARCHED]


def test_an_algorithm_that_cannot_imitate_is_refused():
    algorithm = CONFIG.algorithm.model_validate({"name": "ARS", "kwargs": {}})
    with pytest.raises(UserError, match=r"Got --clone for algorithm.name='ARS'; allowed: PPO"):
        clones(INTERPRETING, algorithm=algorithm)


def test_a_named_baseline_is_imitated_in_place_of_the_oracle():
    run = config().model_copy(update={"clone_epochs": 60, "clone_policy": "greedy"})
    environments = Environments(run)
    teacher = teacher_of(environments, "validation")
    model = make_algorithm(run, make_training_env(run), None)
    imitate(environments, model, teacher)
    examples = learned_examples(environments, "validation", np.arange(2))
    policy = chosen_policy(teacher, environments, "validation", np.arange(2))
    agreement = {}
    for name, each in (("greedy", policy), ("oracle", oracle())):
        seen, actions, _ = policy_steps(examples, each)
        agreement[name] = np.mean(model.predict(seen, deterministic=True)[0] == actions)
    assert agreement["greedy"] > 0.9 > agreement["oracle"] + 0.2


def test_an_unknown_baseline_to_imitate_is_refused_with_the_names_of_all():
    run = config().model_copy(update={"clone_epochs": 1, "clone_policy": "gredy"})
    with pytest.raises(
        UserError, match=r"Got clone_policy='gredy'; allowed here: oracle, .*greedy"
    ):
        teacher_of(Environments(run), "test")
