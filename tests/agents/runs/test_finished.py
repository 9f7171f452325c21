import shutil
import warnings

import pytest
import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

import agents
from agents.config.loading import UserError
from agents.config.train import ALGORITHMS
from agents.finetune import finetune
from agents.runs.files import write_text
from agents.runs.finished import read_configs
from agents.runs.folder import open_run
from agents.runs.manifest import CHECKPOINTS
from agents.train import train
from tests.agents.finetune_run import small_config
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture
def make_run(tmp_path):
    """Makes a folder with a configuration and a file in place of the checkpoint."""

    def make(name, config):
        open_run(config, tmp_path / name, resume=False)
        write_text(tmp_path / name / "checkpoint.pt", "")
        return tmp_path / name

    return make


def test_seeds_of_one_configuration_are_read_in_order(make_run):
    folders = [make_run(f"s{seed}", changed(seed=seed)) for seed in (3, 1)]
    assert [config.seed for config in read_configs(folders)] == [3, 1]


def test_a_seed_given_twice_is_refused(make_run):
    folders = [make_run(name, CONFIG) for name in ("a", "b")]
    with pytest.raises(UserError, match="Got a seed twice"):
        read_configs(folders)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a short run; only read."""
    train(changed(total_timesteps=64), tmp_path_factory.mktemp("runs"))
    return next(tmp_path_factory.getbasetemp().glob("runs0/test-s0"))


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_loaded_policy_acts_in_its_environment_as_in_the_run(run, checkpoint):
    policy, env = agents.load(run, num_envs=2, checkpoint=checkpoint)
    observations, _ = env.reset(seed=1)
    assert policy(observations).shape == env.action_space.shape
    stored = torch.load(run / CHECKPOINTS[checkpoint], weights_only=True)["parameters"]["policy"]
    for name, values in policy.agent.policy.state_dict().items():
        assert torch.equal(values, stored[name])


def configured(name):
    """A short run of an algorithm."""
    kwargs = {"n_steps": 8} if "PPO" in name else {}
    if issubclass(ALGORITHMS[name].kind, OffPolicyAlgorithm):
        kwargs = {"buffer_size": 100, "learning_starts": 8, "batch_size": 4}
    kwargs = {"n_delta": 2} if name == "ARS" else kwargs
    actions = "embedding" if ALGORITHMS[name].acts_on == "continuous" else "top_k"
    env = CONFIG.env.model_copy(update={"kwargs": {"max_new_tokens": 3, "actions": actions}})
    algorithm = CONFIG.algorithm.model_copy(update={"name": name, "kwargs": kwargs})
    return changed(algorithm=algorithm, env=env, total_timesteps=32)


OTHERS = sorted(set(ALGORITHMS) - {"MaskablePPO", "RecurrentPPO", "TabularQ"})


@pytest.mark.parametrize(
    "name",
    ["MaskablePPO", "RecurrentPPO", *(pytest.param(n, marks=pytest.mark.slow) for n in OTHERS)],
)
def test_a_run_of_any_algorithm_is_loaded(tmp_path, name):
    train(configured(name), tmp_path)
    policy, env = agents.load(tmp_path / "test-s0", num_envs=3)
    observations, _ = env.reset(seed=1)
    for _ in range(2):
        actions = policy(observations)
        assert actions in env.action_space
        observations = env.step(actions)[0]


def test_a_finetuned_model_is_loaded(tmp_path, checkpoint):
    finetune(small_config(checkpoint, total_timesteps=32), tmp_path)
    policy, env = agents.load(str(tmp_path / "test-s0"), split="test")
    observations, _ = env.reset(seed=1)
    assert policy(observations) in env.action_space


def test_what_is_no_run_or_imports_code_is_refused(tmp_path, make_run):
    with pytest.raises(UserError, match=r"which has no checkpoint\.pt; allowed"):
        agents.load(tmp_path)
    env = CONFIG.env.model_copy(update={"kwargs": {"rewards": {"pydoc:pipepager": 1.0}}})
    with pytest.raises(UserError, match="imports pydoc:pipepager, which runs code"):
        agents.load(make_run("foreign", changed(env=env)))


def test_a_run_whose_model_changed_loads_with_a_warning_that_names_the_file(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "model")
    env = CONFIG.env.model_copy(
        update={"kwargs": {**CONFIG.env.kwargs, "model": str(tmp_path / "model")}}
    )
    train(changed(env=env, total_timesteps=32), tmp_path / "runs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agents.load(tmp_path / "runs" / "test-s0")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(bytes(4))
    with pytest.warns(UserWarning, match=r"model\.safetensors has changed .* Restore the file"):
        agents.load(tmp_path / "runs" / "test-s0")
