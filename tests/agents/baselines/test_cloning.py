import gymnasium as gym
import numpy as np
import pytest

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.baselines.cloning import (
    check_clonable,
    chosen_policy,
    cloned,
    fit,
    imitate,
    policy_steps,
)
from agents.baselines.families import Environments, Family, fixed
from agents.baselines.learned_examples import learned_examples
from agents.config.loading import UserError
from agents.evaluation.baselines import oracle
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.envs.tuning.weight_tuning import WeightTuningVectorEnv
from tests.agents.finished_run import CONFIG, changed

DIALOGUES = {
    "id": "lm_envs/Dialogue-v0",
    "n_envs": 8,
    "split": "train[:10%]",
    "kwargs": {"actions": {"kind": "choices", "scores": False}},
}


def config(algorithm="PPO", **kwargs):
    named = {"name": algorithm, "kwargs": kwargs}
    return changed(
        env=CONFIG.env.model_validate(DIALOGUES),
        algorithm=CONFIG.algorithm.model_validate(named),
    )


@pytest.mark.parametrize("algorithm", ["PPO", "DQN", "MaskablePPO"])
def test_the_network_learns_the_actions_of_the_oracle(algorithm):
    run = config(algorithm, **({"buffer_size": 100} if algorithm == "DQN" else {}))
    examples = learned_examples(Environments(run), "test", np.arange(2))
    steps = policy_steps(examples, oracle())
    model = make_algorithm(run, make_training_env(run), None)
    losses = fit(model, *steps, epochs=100)
    assert losses[-1] < 0.5 * losses[0]


def test_a_clone_serves_more_customers_that_it_has_not_seen():
    run = config()
    family, environments = cloned(run), Environments(run)
    indices = np.arange(8)
    rewards = [
        mean_scores(family.run(environments, "validation", indices, epochs, 0))["reward"]
        for epochs in (0, 60)
    ]
    assert rewards[1] > rewards[0] + 0.1


def test_algorithms_without_a_policy_to_imitate_are_refused():
    with pytest.raises(UserError, match=r"Got --clone for algorithm.name='ARS'; allowed: PPO"):
        cloned(config("ARS"))


def test_a_new_agent_learns_for_the_epochs_of_its_configuration():
    run = config().model_copy(update={"clone_epochs": 3})
    losses = imitate(Environments(run), make_algorithm(run, make_training_env(run), None))
    assert len(losses) == 3
    assert losses[-1] < losses[0]


def test_clone_epochs_of_an_algorithm_that_cannot_imitate_are_refused():
    run = config("ARS").model_copy(update={"clone_epochs": 3})
    with pytest.raises(UserError, match=r"Got clone_epochs for algorithm.name='ARS'; allowed: PPO"):
        imitate(Environments(run), make_algorithm(run, make_training_env(run), None))


SEARCHED = {
    "id": "lm_envs/StructureSearch-v0",
    "n_envs": 8,
    "split": "train[:2%]",
    "kwargs": {"passages": 2, "adjustments": 3, "probes": True},
}


def test_a_search_of_structures_is_imitated_as_well():
    """The clone removes the part that a search on the very passages would remove first."""
    run = changed(
        env=CONFIG.env.model_validate(SEARCHED),
        algorithm=CONFIG.algorithm.model_validate({"name": "MaskablePPO", "policy": "PartPolicy"}),
        clone_epochs=60,
    )
    losses = imitate(Environments(run), make_algorithm(run, make_training_env(run), None))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("env_id", ["lm_envs/WeightTuning-v0", "theirs/WeightTuning-v0"])
def test_an_environment_without_an_oracle_cannot_be_imitated(env_id, monkeypatch):
    spec = gym.envs.registration.EnvSpec(env_id, vector_entry_point=WeightTuningVectorEnv)
    monkeypatch.setitem(gym.registry, env_id, spec)
    env = CONFIG.env.model_copy(update={"id": env_id, "kwargs": {}})
    with pytest.raises(UserError, match=f"Got --clone for env.id='{env_id}', which has no oracle"):
        cloned(changed(env=env))


def test_a_baseline_that_does_not_act_by_the_agents_actions_cannot_be_imitated():
    def run(environments, split, indices, setting, seed):
        return run_episodes(environments.get(split), oracle(), indices)

    with pytest.raises(UserError, match="Got 'beams' to imitate, which does not act by the agent"):
        chosen_policy(Family("beams", fixed, run), Environments(config()), "test", np.arange(2))


def test_a_baseline_can_be_imitated_where_there_is_no_oracle():
    env = CONFIG.env.model_copy(update={"id": "lm_envs/WeightTuning-v0", "kwargs": {}})
    check_clonable(changed(env=env), "clone_epochs", has_teacher=True)
    with pytest.raises(UserError, match="Got clone_epochs for env"):
        check_clonable(changed(env=env), "clone_epochs")


def test_imitation_leaves_the_spread_of_continuous_actions_as_it_was_set():
    env = CONFIG.env.model_validate({"id": "lm_envs/WeightTuning-v0", "n_envs": 2, "kwargs": {}})
    run = changed(env=env)
    model = make_algorithm(run, make_training_env(run), None)
    spread = model.policy.log_std.detach().clone()
    seen = np.zeros((64, *model.observation_space.shape), np.float32)
    losses = fit(model, seen, np.ones((64, len(spread)), np.float32), None, 200)
    assert losses[-1] < 0.8 * losses[0]
    assert model.policy.log_std.tolist() == spread.tolist()
