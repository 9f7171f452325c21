import pytest

from agents.config.train import ALGORITHMS, EnvConfig, TrainConfig

PLAIN = {
    "name": "test",
    "env": {"id": "lm_envs/NextWord-v0"},
    "algorithm": {"name": "PPO"},
    "total_timesteps": 10,
}


@pytest.mark.parametrize(
    ("env_id", "actions", "expected"),
    [
        ("lm_envs/NextWord-v0", None, "discrete"),
        ("lm_envs/NextWord-v0", "embedding", "continuous"),
        ("lm_envs/NextWord-v0", {"kind": "embedding", "dim": 4}, "continuous"),
        ("lm_envs/NextWord-v0", "mine:Kind", "both"),
        ("lm_envs/WeightTuning-v0", None, "continuous"),
        ("lm_envs/StructureSearch-v0", None, "discrete"),
        ("me/Rhyme-v0", None, "both"),
    ],
)
def test_actions_are_discrete_continuous_or_known_to_the_environment_only(
    env_id, actions, expected
):
    kwargs = {} if actions is None else {"actions": actions}
    config = EnvConfig.model_construct(id=env_id, kwargs=kwargs)
    assert config.acts_on == expected


def test_training_and_evaluation_use_different_splits():
    values = PLAIN | {"evaluation": {"split": "train[:50%]"}}
    with pytest.raises(ValueError, match="choose another"):
        TrainConfig.model_validate(values)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_accepts_the_arguments_of_its_class(name):
    gamma = {} if name == "ARS" else {"gamma": 0.5}
    values = PLAIN | {"algorithm": {"name": name, "kwargs": gamma}}
    assert TrainConfig.model_validate(values).algorithm.kwargs == gamma


def test_an_unknown_argument_of_an_algorithm_is_refused_with_a_close_one():
    values = PLAIN | {"algorithm": {"name": "PPO", "kwargs": {"gama": 0.5}}}
    with pytest.raises(ValueError, match=r"unknown argument 'gama'.*Did you mean 'gamma'"):
        TrainConfig.model_validate(values)


def test_a_critic_warms_up_only_where_it_can_learn_alone():
    values = PLAIN | {"value_warm_up": 64}
    assert TrainConfig.model_validate(values).value_warm_up == 64
    dqn = values | {"algorithm": {"name": "DQN"}}
    with pytest.raises(ValueError, match=r"allowed with algorithm.name='DQN': 0; others .*PPO"):
        TrainConfig.model_validate(dqn)


@pytest.mark.parametrize(
    ("update", "allowed"),
    [
        ({"algorithm": {"name": "DQN"}}, r"with algorithm.name='DQN': 1; others are for PPO"),
        ({"env": {**PLAIN["env"], "n_envs": 6}}, r"allowed a divisor of env.n_envs=6"),
        (
            {"env": {**PLAIN["env"], "n_envs": 4, "kwargs": {"group_size": 2}}},
            r"without env.kwargs.group_size",
        ),
    ],
)
def test_rows_are_compared_where_an_algorithm_can_and_groups_are_whole(update, allowed):
    assert TrainConfig.model_validate(PLAIN | {"group_size": 4}).group_size == 4
    with pytest.raises(ValueError, match=allowed):
        TrainConfig.model_validate(PLAIN | update | {"group_size": 4})
