from pathlib import Path

import pytest

from agents.config.finetune import FinetuneConfig, load_run_config
from agents.config.loading import UserError, load_config
from agents.config.train import TrainConfig


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("env.kwargs.actions=top_k", "kwargs.actions='top_k'; allowed: 'vocabulary'"),
        ("algorithm={name: DQN}", "name='DQN'; allowed: PPO, A2C"),
        ("algorithm.kwargs.policy_kwargs={}", "policy_kwargs is set by the run itself"),
        ("algorithm.kwargs.learning_rate=lin_1.0e-3", "learning_rate is text"),
        ("mask={every: 3}", "a mask without top_k and top_p"),
        ("lora={layers: []}", "no layers to adapt"),
        ("kl.coefficient=-1.0", "kl.coefficient=-1.0"),
        ("total_timesteps=-1", "total_timesteps=-1"),
        ("kl.weight=1.0", "unknown key 'kl.weight' .* allowed: coefficient, target, estimator"),
    ],
)
def test_invalid_values_are_refused_by_key(assignment, message):
    path = Path(__file__).parents[3] / "configs" / "next_word_lm_ppo.yaml"
    with pytest.raises(UserError, match=message):
        load_config(FinetuneConfig, path, [assignment])


def test_a_run_that_trains_nothing_is_refused():
    path = Path(__file__).parents[3] / "configs" / "next_word_lm_ppo.yaml"
    nothing = ["total_timesteps=0", "warm_start=null"]
    with pytest.raises(UserError, match=r"total_timesteps=0 in .*; allowed without warm_start and"):
        load_config(FinetuneConfig, path, nothing)
    assert load_config(FinetuneConfig, path, nothing[:1]).total_timesteps == 0


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["group_size=5"], "group_size=5 .*a divisor of env.n_envs=32"),
        (["algorithm.kwargs.normalize_advantage=true"], "normalize_advantage=True .*leave it out"),
        (["env.kwargs.group_size=4"], "kwargs.group_size is set by the run"),
    ],
)
def test_settings_that_break_groups_are_refused(assignments, message):
    path = Path(__file__).parents[3] / "configs" / "next_word_lm_ppo.yaml"
    with pytest.raises(UserError, match=message):
        load_config(FinetuneConfig, path, ["advantage=rloo", *assignments])


@pytest.mark.parametrize(
    ("name", "kind"), [("next_word_lm_ppo", FinetuneConfig), ("next_word_ppo", TrainConfig)]
)
def test_a_file_with_a_key_of_finetuning_is_read_as_such(name, kind):
    path = Path(__file__).parents[3] / "configs" / f"{name}.yaml"
    assert type(load_run_config(path, ["seed=3"])) is kind
