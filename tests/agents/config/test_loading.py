import numpy as np
import pytest
import torch

from agents.config.distill import LoopConfig
from agents.config.loading import UserError, flattened, load_config, reported
from agents.config.pretrain import PretrainConfig
from agents.config.train import TrainConfig
from tests.agents.finished_run import CONFIG

GOOD = """
name: run
env: {id: lm_envs/NextWord-v0, n_envs: 2}
algorithm: {name: PPO, kwargs: {learning_rate: 3.0e-4}}
total_timesteps: 100
"""


def load(tmp_path, text, assignments=()):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(TrainConfig, path, assignments)


def test_assignments_change_nested_keys(tmp_path):
    config = load(tmp_path, GOOD, ["seed=3", "env.n_envs=8", "algorithm.kwargs.gamma=1.0"])
    assert (config.seed, config.env.n_envs) == (3, 8)
    assert config.algorithm.kwargs == {"learning_rate": 3.0e-4, "gamma": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "sed: 1\n", r"unknown key 'sed' in .*Did you mean 'seed'"),
        (GOOD + "warm_start: null\n", r"'warm_start' in .*is for `python -m agents\.finetune`"),
        (GOOD + "bfloat16: true\nlora: null\n", r"'bfloat16' in .*is for `python -m agents\.fine"),
        (
            GOOD.replace("total_timesteps", "total_steps"),
            r"'total_steps'.*Did you mean 'total_time",
        ),
        (GOOD.replace("total_timesteps: 100", ""), r"Got no key 'total_timesteps' in .*; add it, "),
        (
            GOOD.replace("id: lm_envs/NextWord-v0, ", ""),
            r"Got no key 'env\.id' in .*\.yaml; add it",
        ),
        (GOOD + "evaluation: {evry: 5}\n", r"'evaluation\.evry'.*Did you mean 'every'"),
        (GOOD.replace("100", "1e-2"), r"total_timesteps='1e-2'.*write it as 3\.0e-4"),
        (GOOD.replace("100", "1.5"), r"total_timesteps=1\.5"),
        (GOOD + "stop_at_reward: .nan\n", r"stop_at_reward=nan in .*finite"),
        (GOOD + "seed: 1\nseed: 2\n", r"no plain YAML: the key 'seed' stands twice"),
        (GOOD + "env: " + "[" * 9000, r"no plain YAML: it is nested more than 20 levels deep"),
        (GOOD.replace("3.0e-4", "-1.0"), r"algorithm\.kwargs\.learning_rate=-1\.0 in .*above 0"),
        (GOOD.replace("100", "-1"), "total_timesteps=-1 in .*; allowed: greater than 0"),
        (GOOD.replace("{name: PPO", "PPO #"), r"algorithm='PPO' in .*; allowed: a dict of keys\."),
        (GOOD.replace("PPO", "PPQ"), r"algorithm\.name='PPQ'.*'PPO', 'A2C'"),
        (GOOD.replace("3.0e-4", "3e-4"), r"learning_rate='3e-4' is text in YAML"),
        (
            GOOD.replace("learning_rate", "leaning_rate"),
            r"algorithm\.kwargs in .*\.yaml: unknown argument 'leaning_rate'; allowed: batch_size, "
            r".*Did you mean 'learning_rate'\?",
        ),
        (
            GOOD.replace("3.0e-4", "3.0e-4, policy_kwargs: {optimizer_kwargs: {eps: 1e-5}}"),
            r"policy_kwargs\.optimizer_kwargs\.eps='1e-5' is text in YAML",
        ),
        (
            GOOD.replace("n_envs: 2", "kwargs: {rewards: {fluency: '1'}}"),
            r"rewards\.fluency='1' is text in YAML",
        ),
        (
            GOOD.replace("n_envs: 2", "split: 'train[:101%]'"),
            r"env\.split='train\[:101%\]' in .*; allowed: 'train', .*such as 'validation\[:25%\]'",
        ),
        (GOOD.replace("n_envs: 2", "split: 'validation[:5%]'"), "are both of 'validation'"),
        (GOOD.replace("n_envs: 2", "split: validation"), r"Got .*\.yaml, where env\.split and ev"),
        (
            GOOD.replace("NextWord", "NextWrd"),
            r"env\.id='lm_envs/NextWrd-v0' in .*; allowed: lm_envs/NextWord-v0, .*Did you mean",
        ),
        (
            GOOD.replace("lm_envs/NextWord-v0", "CartPole-v1"),
            r"env\.id='CartPole-v1' in .*lm_envs/",
        ),
        (GOOD.replace("PPO", "ppo"), r"algorithm\.name='ppo' in .*'TabularQ'\.$"),
        (
            GOOD.replace("n_envs: 2", "kwargs: {actions: {copies: '8'}}"),
            r"actions\.copies='8' is text in YAML; write it without quotes\.$",
        ),
        (GOOD.replace("n_envs: 2", "n_envs: '8'"), r"n_envs='8' in .*: write it without quotes\.$"),
        (
            GOOD.replace("3.0e-4", "3e-4"),
            r"'3e-4' is text in YAML; write it as 3\.0e-4 or 1\.0e\+6, with a point, .*quotes\.$",
        ),
        ("- 1\n- 2\n", "without keys"),
        ("a: [1\n", "no plain YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "no plain YAML"),
    ],
)
def test_bad_files_are_refused_by_key(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize("kind", [PretrainConfig, LoopConfig])
def test_a_configuration_of_another_command_is_named_and_not_printed(tmp_path, kind):
    """Regression: the whole file was printed, with the words "Field required"."""
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    with pytest.raises(UserError, match=r"is for `python -m agents\.train`\.$") as refused:
        load_config(kind, path)
    assert "3.0e-4" not in str(refused.value)
    assert "0.0003" not in str(refused.value)


def test_training_and_evaluation_may_use_parts_of_two_splits(tmp_path):
    parts = ["env.split=validation[:5%]", "evaluation.split=test[:50%]"]
    config = load(tmp_path, GOOD, parts)
    assert (config.env.split, config.evaluation.split) == ("validation[:5%]", "test[:50%]")


@pytest.mark.parametrize("number", ["1e5", "1.0e+5", "100000.0", "1E5"])
def test_whole_numbers_may_be_written_with_an_exponent(tmp_path, number):
    """Regression: the advice for 1e5 was then refused."""
    config = load(tmp_path, GOOD, [f"total_timesteps={number}"])
    assert repr(config.total_timesteps) == "100000"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"Got no file .*absent\.yaml"):
        load_config(TrainConfig, tmp_path / "absent.yaml")


def test_an_assignment_without_a_value_is_refused(tmp_path):
    with pytest.raises(UserError, match="--set 'seed'; allowed: key=value"):
        load(tmp_path, GOOD, ["seed"])


def test_numpy_numbers_are_accepted_and_stored_as_python_numbers():
    values = CONFIG.model_dump() | {"total_timesteps": np.int64(64), "seed": np.int32(1)}
    values["env"]["kwargs"]["max_new_tokens"] = np.int64(5)
    values["algorithm"]["kwargs"]["gamma"] = np.float32(0.5)
    config = TrainConfig.model_validate(values)
    numbers = (
        config.total_timesteps,
        config.seed,
        config.env.kwargs["max_new_tokens"],
        config.algorithm.kwargs["gamma"],
    )
    assert numbers == (64, 1, 5, 0.5)
    assert {type(number) for number in numbers} == {int, float}


def test_out_of_memory_on_a_gpu_is_one_line_with_the_remedy(capsys):
    """Regression: it was a traceback, because PyTorch's class is a RuntimeError."""
    message = (
        "CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 79.11 GiB "
        "of which 512.00 MiB is free. Of the allocated memory 70 GiB is allocated by PyTorch.\n"
        "See documentation for Memory Management."
    )
    with pytest.raises(SystemExit) as stopped, reported():
        raise torch.OutOfMemoryError(message)
    printed = capsys.readouterr().err
    assert stopped.value.code == 2
    assert printed.startswith("error: Got too little memory on the GPU for 1.50 GiB more (512.00 M")
    assert "env.n_envs" in printed
    assert printed.count("\n") == 1


def test_an_error_line_holds_no_escape_codes(capsys):
    with pytest.raises(SystemExit), reported():
        raise UserError("Got \x1b[2Jtext\u202e; allowed: a.")
    assert capsys.readouterr().err == "error: Got \ufffd[2Jtext\ufffd; allowed: a.\n"


def test_nested_values_are_flattened_and_empty_ones_are_kept():
    values = {"env": {"id": "a", "kwargs": {"k": [1]}}, "algorithm": {"kwargs": {}}}
    assert flattened(values) == {"env.id": "a", "env.kwargs.k": [1], "algorithm.kwargs": {}}


def test_an_assignment_below_a_value_without_keys_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^Got --set 'name\.x=1', but 'name' holds no keys\.$"):
        load(tmp_path, GOOD, ["name.x=1"])
